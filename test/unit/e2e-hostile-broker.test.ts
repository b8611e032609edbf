// A compromised broker against encrypted streams: it sees every message, and changes, repeats, reorders, drops, forges
// and misleads. Streams end in an error of their own or go on exact; never does a wrong byte reach anybody.

import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import { mintToken, startBroker } from '../../src/broker/index.ts';
import { type BrokerClient, connect, type E2eDialerOptions } from '../../src/client/index.ts';
import { makeIdentity } from '../../src/e2e/make-identity.ts';
import type { AuditEntry } from '../../src/files/audit-log.ts';
import { decodeFrames, frameTypes } from '../../src/protocol/frame.ts';
import { acquainted } from '../rig/identities.ts';
import { type From, Middle } from '../rig/middle.ts';
import { Rig } from '../rig/rig.ts';
import { listen, pattern } from '../rig/targets.ts';

type AgentOptions = Parameters<typeof startAgent>[0];

const secret = 'a secret for tests that is long enough';
const node = 'edge-1';

/** A broker between two who know each other, with a man in the middle of both links. */
async function tappedNetwork(rig: Rig, more: Partial<AgentOptions> = {}) {
  const { agentSide, dialerSide } = await acquainted();
  const broker = await startBroker({ secret, port: 0, drainMs: 200 });
  rig.defer(() => broker.close());
  const atAgent = await Middle.start(rig, broker.url);
  const atDialer = await Middle.start(rig, broker.url);
  const audit: AuditEntry[] = [];
  const agent = async (options: Partial<AgentOptions> = {}) => {
    const token = await mintToken({ secret, agent: node });
    const started = await startAgent({
      url: atAgent.url,
      token,
      node,
      allow: ['127.0.0.1:*'],
      e2e: agentSide,
      audit: { record: (entry) => audit.push(entry) },
      ...options,
    });
    rig.defer(() => started.close());
    return started;
  };
  await agent(more);
  const client = async (e2e: E2eDialerOptions | undefined = dialerSide, subject = 'alice') => {
    const token = await mintToken({ secret, dial: ['*'], subject });
    const made = connect({ url: atDialer.url, token, e2e });
    rig.defer(() => made.close());
    return made;
  };
  return { atAgent, atDialer, agent, client, agentSide, dialerSide, audit };
}

/** Where the payload of each DATA frame of one message begins and ends, and of which stream it is. */
function dataIn(message: Buffer): { stream: number; at: number; end: number }[] {
  const found: { stream: number; at: number; end: number }[] = [];
  if (message.readBigUInt64BE() === 0n) return found;
  decodeFrames(message, ({ type, stream, payload }) => {
    if (type !== frameTypes.DATA) return;
    const at = payload.byteOffset - message.byteOffset;
    found.push({ stream, at, end: at + payload.length });
  });
  return found;
}

const isOfSession = (message: Buffer) => message.readBigUInt64BE() !== 0n;

/** Sends the pattern to an echo and takes what comes back: how much of it, and how it ended. */
async function exchange(client: BrokerClient, port: number, bytes = 2_000_000) {
  const sent = Buffer.concat(Array(Math.ceil(bytes / pattern.length)).fill(pattern)).subarray(0, bytes);
  const socket = client.dialStream({ node, host: '127.0.0.1', port, allowHalfOpen: true, timeoutMs: 30_000 });
  const chunks: Buffer[] = [];
  const ended = new Promise<string>((resolve) => {
    socket.on('data', (chunk: Buffer) => chunks.push(chunk));
    socket.on('end', () => resolve('end'));
    socket.on('error', (error: NodeJS.ErrnoException) => resolve(String(error.code)));
  });
  socket.end(sent);
  const how = await ended;
  const came = Buffer.concat(chunks);
  return { how, bytes: came.length, isExact: came.equals(sent.subarray(0, came.length)) };
}

/** An echo that keeps what it was sent. */
async function echo(rig: Rig) {
  const came: Buffer[] = [];
  const connections = { count: 0 };
  const port = await listen(rig, (socket) => {
    connections.count += 1;
    socket.on('data', (chunk: Buffer) => came.push(chunk));
    socket.pipe(socket);
  });
  return {
    port,
    connections,
    isExact: () => {
      const all = Buffer.concat(came);
      return all.every((byte, at) => byte === pattern[at % pattern.length]);
    },
  };
}

const whole = { how: 'end', bytes: 2_000_000, isExact: true };

test('the broker sees neither payload nor target, and without encryption it does', async () => {
  await using rig = new Rig();
  const { client, atAgent, atDialer, dialerSide } = await tappedNetwork(rig);
  const { port } = await echo(rig);
  const said = 'attack at dawn, says the payload';
  const secrets = [said, said.slice(0, 12), 'localhost', '127.0.0.1', String(port), '"host"'];
  const talk = async (e2e: E2eDialerOptions | undefined) => {
    const broker = await client(e2e);
    for (const host of ['localhost', '127.0.0.1']) {
      const socket = broker.dialStream({ node, host, port });
      socket.end(said);
      expect(await text(socket)).toBe(said);
    }
    await broker.close();
  };
  await talk(dialerSide);
  for (const { capture } of [atAgent, atDialer]) {
    expect(capture.length).toBeGreaterThan(2_000);
    expect(secrets.filter((one) => capture.includes(one))).toEqual([]);
  }
  const token = await mintToken({ secret, dial: ['*'] });
  const plain = connect({ url: atDialer.url, token });
  rig.defer(() => plain.close());
  const socket = plain.dialStream({ node, host: 'localhost', port });
  socket.end(said);
  expect(await text(socket)).toBe(said);
  expect(secrets.filter((one) => !atDialer.capture.includes(one))).toEqual([]);
});

test.each<[string, From]>([
  ['from the dialer', 'near'],
  ['from the agent', 'far'],
])('a bit that is changed in what comes %s ends the stream with ERR_E2E', async (_, from) => {
  await using rig = new Rig();
  const { client, atDialer } = await tappedNetwork(rig);
  const target = await echo(rig);
  let bytes = 0;
  atDialer.alter = (sender, message) => {
    const [data] = dataIn(message);
    if (sender !== from || data === undefined) return [message];
    const before = bytes;
    bytes += data.end - data.at;
    // Past the handshake, in the midst of the payload.
    if (before > 600_000 || bytes <= 600_000) return [message];
    const changed = Buffer.from(message);
    changed[data.at + 5000] = (changed[data.at + 5000] as number) ^ 0x10;
    return [changed];
  };
  const result = await exchange(await client(), target.port);
  // One end sees that it was changed, and the other that the first gave up.
  expect(['ERR_E2E', 'ERR_ABORTED']).toContain(result.how);
  if (from === 'far') expect(result.how).toBe('ERR_E2E');
  expect(result.isExact && target.isExact()).toBe(true);
  expect(atDialer.altered).toBe(1);
});

test('a handshake that is changed ends the dial with ERR_E2E, and nothing is dialled', async () => {
  await using rig = new Rig();
  for (const from of ['near', 'far'] as const) {
    const { client, atDialer } = await tappedNetwork(rig);
    const target = await echo(rig);
    let done = false;
    atDialer.alter = (sender, message) => {
      const [data] = dataIn(message);
      if (done || sender !== from || data === undefined) return [message];
      done = true;
      const changed = Buffer.from(message);
      changed[data.end - 3] = (changed[data.end - 3] as number) ^ 1;
      return [changed];
    };
    expect(await exchange(await client(), target.port)).toMatchObject({ how: 'ERR_E2E', bytes: 0 });
    expect(done && target.connections.count === 0).toBe(true);
  }
});

test.each<[string, (messages: Buffer[]) => Buffer[]]>([
  ['repeats every message', (messages) => messages.flatMap((message) => [message, message])],
  ['swaps messages', (messages) => messages.reverse()],
  ['drops messages', (messages) => (messages.length > 1 ? messages.slice(1) : messages)],
])('a broker that %s loses no byte and changes none', async (_, mix) => {
  await using rig = new Rig();
  const { client, atAgent, atDialer } = await tappedNetwork(rig);
  const target = await echo(rig);
  for (const middle of [atAgent, atDialer]) {
    const kept: Record<From, Buffer[]> = { near: [], far: [] };
    let count = 0;
    middle.alter = (from, message) => {
      if (!isOfSession(message)) return [message];
      count += 1;
      kept[from].push(Buffer.from(message));
      // Of twenty messages three are kept back until the fourth, and then mixed.
      if (count % 20 < 3 && kept[from].length < 4) return [];
      return mix(kept[from].splice(0));
    };
  }
  expect(await exchange(await client(), target.port)).toEqual(whole);
  expect(target.isExact()).toBe(true);
  expect(atAgent.altered + atDialer.altered).toBeGreaterThan(4);
});

test('two streams that are crossed end with ERR_E2E, and neither sees a byte of the other', async () => {
  await using rig = new Rig();
  const { client, atDialer, dialerSide } = await tappedNetwork(rig);
  const port = await listen(rig, (socket) => socket.on('data', () => socket.write('to you alone')));
  const broker = await client({ ...dialerSide, spareStreams: 0 });
  const dial = () => broker.dial({ node, host: '127.0.0.1', port });
  const sockets = [await dial(), await dial()];
  // Where each stream has come to, so that what is crossed fits.
  const next = new Map<number, bigint>();
  for (const { from, message } of atDialer.seen)
    for (const { at, end, stream } of from === 'far' ? dataIn(message) : [])
      next.set(stream, message.readBigUInt64BE(at - 8) + BigInt(end - at));
  atDialer.alter = (from, message) => {
    const crossed = Buffer.from(message);
    for (const { at, end, stream } of from === 'far' ? dataIn(crossed) : []) {
      // A header is 16 bytes: the stream's id is its second four, the offset its last eight.
      const other = 3 - stream;
      const offset = next.get(other) ?? 0n;
      crossed.writeUInt32BE(other, at - 12);
      crossed.writeBigUInt64BE(offset, at - 8);
      next.set(other, offset + BigInt(end - at));
    }
    return crossed.equals(message) ? [message] : [crossed];
  };
  const ends = sockets.map(
    (socket) =>
      new Promise((resolve) => {
        const came: Buffer[] = [];
        socket.on('data', (chunk: Buffer) => came.push(chunk));
        socket.on('error', ({ code }: NodeJS.ErrnoException) => resolve([code, Buffer.concat(came).length]));
      }),
  );
  for (const socket of sockets) socket.write('say it');
  expect(await Promise.all(ends)).toEqual([
    ['ERR_E2E', 0],
    ['ERR_E2E', 0],
  ]);
  expect(atDialer.altered).toBeGreaterThan(0);
});

test('an end that the agent did not say is no end', async () => {
  await using rig = new Rig();
  const { client, atDialer, dialerSide } = await tappedNetwork(rig);
  const port = await listen(rig, (socket) =>
    socket.on('data', () => socket.write('half of what I have to say')),
  );
  const broker = await client({ ...dialerSide, spareStreams: 0 });
  const socket = await broker.dial({ node, host: '127.0.0.1', port, allowHalfOpen: true });
  let offset = 0n;
  atDialer.alter = (from, message) => {
    if (from === 'far') {
      decodeFrames(message, ({ type, argument, payload }) => {
        if (type === frameTypes.DATA && isOfSession(message)) offset = BigInt(argument + payload.length);
      });
    }
    return [message];
  };
  socket.write('speak');
  let came = '';
  await new Promise<void>((resolve) => {
    socket.on('data', (chunk) => {
      came += chunk;
      resolve();
    });
  });
  const failed = new Promise((resolve) => {
    socket.on('end', () => resolve('end')).on('error', ({ code }: NodeJS.ErrnoException) => resolve(code));
  });
  // FIN of stream 1, forged, in place of whatever comes next.
  atDialer.alter = (from, message) => {
    if (from !== 'far' || !isOfSession(message)) return [message];
    const fin = Buffer.alloc(24);
    message.copy(fin, 0, 0, 8);
    fin[8] = frameTypes.FIN;
    fin.writeUInt32BE(1, 12);
    fin.writeBigUInt64BE(offset, 16);
    return [fin];
  };
  socket.write('more');
  expect([came, await failed]).toEqual(['half of what I have to say', 'ERR_E2E']);
});

test('a broker that answers as the agent itself is not taken for it, and learns nothing', async () => {
  await using rig = new Rig();
  const { client, agent, dialerSide } = await tappedNetwork(rig);
  const target = await echo(rig);
  const forger = await makeIdentity('forger', 3600);
  const heard: AuditEntry[] = [];
  const alice = await client(dialerSide);
  await alice.dial({ node, host: '127.0.0.1', port: target.port }).then((socket) => socket.destroy());
  // The newest agent of a node takes its sessions; this one takes whoever comes.
  const forged = { key: forger.pem, ca: forger.pem };
  await agent({ instance: 'forged', e2e: forged, audit: { record: (entry) => heard.push(entry) } });
  const again = await client(dialerSide);
  const before = target.connections.count;
  await expect(again.dial({ node, host: '127.0.0.1', port: target.port })).rejects.toMatchObject({
    code: 'ERR_E2E',
    message: expect.stringContaining(forger.pin),
  });
  expect(target.connections.count).toBe(before);
  expect(heard.map(({ event }) => event)).toContain('session-opened');
  expect(JSON.stringify(heard)).not.toContain(String(target.port));
});

test('a broker that lies about principal and grants gains nothing where encryption is required', async () => {
  await using rig = new Rig();
  const { agentSide } = await acquainted();
  const network = await tappedNetwork(rig, {
    e2e: { ...agentSide, isRequired: true },
    allow: ['127.0.0.1:*;key=alice'],
  });
  const { atAgent, audit, client, dialerSide } = network;
  const target = await echo(rig);
  // It can sign what it likes, and so be alice with every grant: to the agent that is an ATTACH like any other.
  const token = await mintToken({ secret, dial: ['*'], subject: 'alice' });
  const plain = connect({ url: atAgent.url, token });
  rig.defer(() => plain.close());
  const to = { node, host: '127.0.0.1', port: target.port };
  await expect(plain.dial(to)).rejects.toMatchObject({ code: 'ERR_E2E' });
  const own = await makeIdentity('alice', 3600);
  await expect((await client({ ...dialerSide, key: own.pem })).dial(to)).rejects.toMatchObject({
    code: 'ERR_E2E',
  });
  expect(target.connections.count).toBe(0);
  expect(audit.filter(({ event }) => event === 'stream-refused').length).toBeGreaterThanOrEqual(1);
});

test('an ATTACH that is replayed, with grants of its own, takes nothing from a stream that is open', async () => {
  await using rig = new Rig();
  const { client, atAgent } = await tappedNetwork(rig);
  const target = await echo(rig);
  let forged = 0;
  let attach: Buffer | undefined;
  atAgent.alter = (from, message) => {
    if (from !== 'far') return [message];
    if (!isOfSession(message) && message[8] === frameTypes.ATTACH) {
      attach = Buffer.from(message);
      return [message];
    }
    if (attach === undefined || !isOfSession(message)) return [message];
    forged += 1;
    return forged % 5 === 0 ? [attach, message] : [message];
  };
  expect(await exchange(await client(), target.port)).toEqual(whole);
  expect(target.isExact()).toBe(true);
  expect(forged).toBeGreaterThan(5);
});
