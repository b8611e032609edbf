// What an agent makes of dialers that speak TLS well enough and then say something wrong, and of lists and keys that
// are malformed.

import { connect as connectTls, createSecureContext, type TLSSocket } from 'node:tls';
import { expect, test } from 'vitest';
import { E2eAcceptor } from '../../src/e2e/acceptor.ts';
import { encodeGreeting } from '../../src/e2e/greeting.ts';
import { parseIdentity } from '../../src/e2e/identity.ts';
import { makeIdentity } from '../../src/e2e/make-identity.ts';
import { parsePeers } from '../../src/e2e/peers.ts';
import { StreamSocket } from '../../src/link/stream-socket.ts';
import type { FairleadError } from '../../src/protocol/errors.ts';
import { Session, type SessionHost } from '../../src/protocol/session.ts';
import { acquainted } from '../rig/identities.ts';
import { sessionId } from './pair.ts';

/** An agent's acceptor, and a dialer's session with it that carries by itself. */
async function acceptor(limits: ConstructorParameters<typeof E2eAcceptor>[1] = {}) {
  const { agentSide, alice } = await acquainted();
  const asked: string[] = [];
  const refused: FairleadError[] = [];
  const sealed = new E2eAcceptor(agentSide, limits).session({
    asked: (stream, { node, host, port }) => {
      asked.push(`${node} ${host}:${port}`);
      stream.reset('ECONNREFUSED', 'for the purpose of this test');
    },
    refused: (_, error) => refused.push(error),
  });
  const carry = (): void => {
    for (let message = dialer.pull(); message !== undefined; message = dialer.pull()) agent.receive(message);
    for (let message = agent.pull(); message !== undefined; message = agent.pull()) dialer.receive(message);
  };
  const host: SessionHost = {
    now: () => performance.now(),
    outputReady: () => void setImmediate(carry),
    wakeAt() {},
    closed() {},
    openedSealed: (stream, version) => sealed.opened(stream, version),
  };
  const dialer = new Session('dialer', sessionId, host);
  const agent = new Session('agent', sessionId, host);
  for (const end of [dialer, agent])
    end.linkUp({ maxMessageBytes: 262_144, inFlightBytes: 16_777_216, messagesAreDear: false });
  return {
    asked,
    refused,
    agent,
    /** A stream of this version of encryption, as a socket. */
    open(version = 1): StreamSocket {
      const socket = new StreamSocket({ allowHalfOpen: true });
      socket.attach(dialer.open({ e2e: version }, socket.streamHandler));
      return socket;
    },
    tls(socket: StreamSocket, alpn = 'fairlead-e2e.v1', pem: string | undefined = alice.pem): TLSSocket {
      const context = createSecureContext(pem === '' ? {} : { key: pem, cert: pem });
      return connectTls({ socket, secureContext: context, ALPNProtocols: [alpn], rejectUnauthorized: false });
    },
  };
}

/** Everything that came until the end, and the error if it ended in one. */
function outcome(socket: TLSSocket | StreamSocket): Promise<string> {
  let came = '';
  return new Promise((resolve) => {
    socket.on('data', (chunk) => {
      came += chunk;
    });
    socket.on('end', () => resolve(came));
    socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve(String(code)));
  });
}

const frame = (bytes: Buffer) => Buffer.concat([Buffer.from([bytes.length >> 8, bytes.length & 255]), bytes]);

test.each<[string, Buffer]>([
  ['no JSON', frame(Buffer.from('GET / HTTP/1.1'))],
  ['JSON that is no request', encodeGreeting({ host: 'a', port: 1 })],
  ['an empty host', encodeGreeting({ node: 'n', host: '', port: 1 })],
  ['a port that is none', encodeGreeting({ node: 'n', host: 'a', port: 65_536 })],
  ['a host that is too long', encodeGreeting({ node: 'n', host: 'a'.repeat(256), port: 1 })],
  ['more than is allowed', Buffer.from([0xff, 0xff, 0x7b])],
  ['nothing at all', frame(Buffer.alloc(0))],
  ['bytes that are not UTF-8', frame(Buffer.from([0x22, 0xff, 0x22]))],
])('first words that are %s end the stream with ERR_E2E, and nothing is asked for', async (_, words) => {
  const { open, tls, asked, refused } = await acceptor();
  const outer = open();
  const failed = outcome(outer);
  const socket = tls(outer).on('error', () => {});
  socket.write(words);
  expect(await failed).toBe('ERR_E2E');
  expect([asked, refused.map(({ code }) => code)]).toEqual([[], ['ERR_E2E']]);
});

test('first words may come a byte at a time, and what an agent refuses it says inside', async () => {
  const { open, tls, asked } = await acceptor();
  const socket = tls(open());
  const said = outcome(socket);
  await new Promise((resolve) => socket.once('secureConnect', resolve));
  for (const byte of encodeGreeting({ node: 'n', host: 'secret.internal', port: 7 })) {
    socket.write(Buffer.from([byte]));
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(JSON.parse((await said).slice(2))).toEqual({
    code: 'ECONNREFUSED',
    reason: 'for the purpose of this test',
  });
  expect(asked).toEqual(['n secret.internal:7']);
  socket.destroy();
});

test.each<[string, (it: Awaited<ReturnType<typeof acceptor>>) => StreamSocket | TLSSocket, RegExp]>([
  ['bytes that are no TLS', (it) => it.open().end('GET / HTTP/1.1\r\n\r\n'), /ERR_E2E/],
  ['another protocol', (it) => it.tls(it.open(), 'http/1.1'), /NO_APPLICATION_PROTOCOL|ERR_E2E/],
  ['a version that is none', (it) => it.open(2), /ERR_E2E/],
])('%s get no further than the handshake', async (_, speak, code) => {
  const it = await acceptor();
  expect(await outcome(speak(it))).toMatch(code);
  expect(it.asked).toEqual([]);
});

test('TLS older than 1.3 is not spoken', async () => {
  const it = await acceptor();
  const socket = connectTls({ socket: it.open(), maxVersion: 'TLSv1.2', rejectUnauthorized: false });
  expect(await outcome(socket)).toMatch(/PROTOCOL_VERSION|ERR_E2E/);
});

test('a dialer without a certificate is refused', async () => {
  const it = await acceptor();
  const outer = it.open();
  const failed = outcome(outer);
  it.tls(outer, 'fairlead-e2e.v1', '').on('error', () => {});
  expect(await failed).toBe('ERR_E2E');
  expect(it.refused[0]?.message).toContain('no certificate');
});

test('a handshake that is not finished, and a stream that nobody asks for anything, end by themselves', async () => {
  const unfinished = await acceptor({ handshakeMs: 30 });
  expect(await outcome(unfinished.open())).toBe('ERR_E2E');
  const it = await acceptor({ spareMs: 30 });
  const idle = it.tls(it.open());
  expect(JSON.parse((await outcome(idle)).slice(2))).toMatchObject({ code: 'ETIMEDOUT' });
  idle.destroy();
  await expect.poll(() => it.agent.streamCount).toBe(0);
});

test.each<[string, string]>([
  ['sha256:short alice', 'line 1'],
  [`# fine\n\nsha256:${'A'.repeat(43)}`, 'line 3'],
  [`sha256:${'A'.repeat(43)} two names`, 'line 1'],
  [`sha1:${'A'.repeat(43)} alice`, 'line 1'],
  [`sha256:${'A'.repeat(43)}= alice`, 'line 1'],
  [`sha256:${'A'.repeat(42)}! alice`, 'line 1'],
  [`sha256:${'A'.repeat(43)} ${'a'.repeat(254)}`, 'line 1'],
])('a list of peers with %j is void', (text, where) => {
  expect(() => parsePeers(text)).toThrow(where);
});

test('a list of peers may have comments, several names for a key and several keys for a name', () => {
  const [a, b] = [`sha256:${'A'.repeat(43)}`, `sha256:${'B'.repeat(43)}`];
  const peers = parsePeers(`# ours\r\n${a} edge-1\n${a}\tedge-2  # the second\n\n${b} edge-1\n`);
  expect([...peers]).toEqual([
    [a, ['edge-1', 'edge-2']],
    [b, ['edge-1']],
  ]);
});

test('a key and certificate that do not belong together are refused, and neither is shown', async () => {
  const [one, other] = [await makeIdentity('one', 60), await makeIdentity('other', 60)];
  const split = (pem: string) => pem.split(/(?=-----BEGIN CERTIFICATE)/) as [string, string];
  const [key] = split(one.pem);
  const [, certificate] = split(other.pem);
  for (const pem of [
    key + certificate,
    key,
    certificate,
    `${key}-----BEGIN CERTIFICATE-----\nAA==\n-----END CERTIFICATE-----`,
    '',
  ]) {
    const error = (() => {
      try {
        return parseIdentity(pem);
      } catch (thrown) {
        return thrown as FairleadError;
      }
    })();
    expect(error).toMatchObject({ code: 'ERR_CONFIG' });
    expect(String((error as Error).message)).not.toMatch(/BEGIN|MIG|MIIB/);
  }
  expect(parseIdentity(certificate + split(other.pem)[0]).pin).toBe(other.pin);
});
