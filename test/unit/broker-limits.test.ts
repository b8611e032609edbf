// What a broker does with too much: from one address, of one principal, on one link, and over all of them.

import { once } from 'node:events';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type Broker, brokerLimits, mintToken } from '../../src/broker/index.ts';
import { Pressure } from '../../src/broker/pressure.ts';
import { Sources, sourceOf } from '../../src/broker/source.ts';
import { SourceRate } from '../../src/broker/source-rate.ts';
import { closeCodes } from '../../src/protocol/errors.ts';
import { frameTypes } from '../../src/protocol/frame.ts';
import { RelayUnderTest } from './broker-fake-link.ts';
import { opened, secret, start } from './started-broker.ts';

const [here, there] = ['127.0.0.1', '127.0.0.2'];

/** A connection that says nothing; the broker may have ended it already. */
async function silent(broker: Broker, localAddress = here): Promise<Socket> {
  const socket = connect({ port: broker.address.port, host: broker.address.address, localAddress });
  socket.on('error', () => {});
  opened.push({ close: () => socket.destroy() });
  await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
  return socket;
}

/** Whether a request on it is answered. */
async function isServed(socket: Socket): Promise<boolean> {
  if (socket.destroyed) return false;
  socket.write('GET /healthz HTTP/1.1\r\nHost: broker\r\n\r\n');
  return await new Promise((resolve) => {
    socket.once('data', () => resolve(true)).once('close', () => resolve(false));
  });
}

interface Answer {
  readonly status: number;
  readonly retryAfter: number;
}

/** What an upgrade is answered: 101, or why not. */
async function upgrade(
  broker: Broker,
  token: string,
  { from = here, headers = {}, path = '/v1/agent?node=edge-1&instance=a' } = {},
): Promise<Answer> {
  const webSocket = new WebSocket(`${broker.url}${path}`, ['fairlead.v1'], {
    headers: { authorization: `Bearer ${token}`, ...headers },
    localAddress: from,
  });
  webSocket.on('error', () => {});
  opened.push({ close: () => webSocket.terminate() });
  return await new Promise((resolve) => {
    webSocket.on('open', () => resolve({ status: 101, retryAfter: 0 }));
    webSocket.on('unexpected-response', (outgoing, response) => {
      resolve({
        status: response.statusCode ?? 0,
        retryAfter: Number(response.headers['retry-after'] ?? 0),
      });
      outgoing.destroy();
    });
  });
}

const agentToken = (node = 'edge-1') => mintToken({ secret, agent: node });

test('an address with as many connections as it may have is refused, others are not, and room is given back', async () => {
  const broker = await start({ maxConnectionsPerAddress: 2 });
  const first = await silent(broker);
  expect(await isServed(first)).toBe(true);
  expect(await isServed(await silent(broker))).toBe(true);
  expect(await isServed(await silent(broker))).toBe(false);
  expect(await isServed(await silent(broker, there))).toBe(true);
  expect(broker.intake.refused['connections-per-address']).toBe(1);
  first.destroy();
  while (broker.intake.connections > 2) await new Promise((resolve) => setTimeout(resolve, 5));
  expect(await isServed(await silent(broker))).toBe(true);
});

test('connections beyond the whole of what the broker takes are refused, whoever makes them', async () => {
  const broker = await start({ maxConnections: 1 });
  expect(await isServed(await silent(broker))).toBe(true);
  expect(await isServed(await silent(broker, there))).toBe(false);
  expect(broker.intake.refused.connections).toBe(1);
});

test('new connections in a second are counted for each address, before a byte of theirs is read', async () => {
  const broker = await start({ maxConnectionsPerSecond: 3 });
  const sockets = await Promise.all(Array.from({ length: 5 }, () => silent(broker)));
  const served = await Promise.all(sockets.map(isServed));
  expect(served.filter((yes) => yes).length).toBe(3);
  expect(await isServed(await silent(broker, there))).toBe(true);
  expect(broker.intake.refused['connections-per-second']).toBe(2);
});

test('one address cannot hold more unfinished connections than its share; a finished one does not count', async () => {
  const broker = await start({ maxUnfinishedPerAddress: 2 });
  const first = await silent(broker);
  await silent(broker);
  expect(await isServed(await silent(broker))).toBe(false);
  expect(await isServed(first)).toBe(true);
  expect(await isServed(await silent(broker))).toBe(true);
  expect(broker.intake.refused['unfinished-per-address']).toBe(1);
});

test('where unfinished connections are too many, the oldest gives way to the newest', async () => {
  const broker = await start({ maxUnfinished: 2 });
  const oldest = await silent(broker);
  const gone = once(oldest, 'close');
  const second = await silent(broker, there);
  const third = await silent(broker);
  await gone;
  expect(await isServed(second)).toBe(true);
  expect(await isServed(third)).toBe(true);
  expect(broker.intake.refused.unfinished).toBe(1);
});

test('requests in a second are counted for each address, on one connection too', async () => {
  const broker = await start({ maxRequestsPerSecond: 2 });
  const socket = await silent(broker);
  let answers = '';
  socket.on('data', (chunk) => {
    answers += chunk;
  });
  socket.write('GET /healthz HTTP/1.1\r\nHost: broker\r\n\r\n'.repeat(3));
  while ((answers.match(/HTTP\/1\.1/g) ?? []).length < 3) await once(socket, 'data');
  expect(answers.match(/HTTP\/1\.1 \d+/g)).toEqual(['HTTP/1.1 200', 'HTTP/1.1 200', 'HTTP/1.1 429']);
  expect(answers).toMatch(/retry-after: 1/i);
  expect(await upgrade(broker, await agentToken())).toEqual({ status: 429, retryAfter: 1 });
  expect(broker.counters.refused['request-rate']).toBe(2);
});

test('after too many bad tokens an address gets 429 with the time to wait, whatever it shows; others get in', async () => {
  const broker = await start({ maxAuthFailures: 3 });
  const wrong = `${(await agentToken()).slice(0, -6)}AAAAAA`;
  for (let i = 0; i < 3; i++) expect((await upgrade(broker, wrong)).status).toBe(401);
  const { status, retryAfter } = await upgrade(broker, await agentToken());
  expect(status).toBe(429);
  expect(retryAfter).toBeGreaterThan(50);
  expect(retryAfter).toBeLessThanOrEqual(60);
  expect((await upgrade(broker, await agentToken(), { from: there })).status).toBe(101);
  // Not one of them was looked at: it would have been counted.
  expect(broker.counters.refused).toMatchObject({ unauthorized: 3, 'auth-failures': 1 });
});

test('bad tokens for the list of nodes count with those of upgrades', async () => {
  const broker = await start({ maxAuthFailures: 2 });
  const list = () =>
    new Promise<number>((resolve) => {
      const headers = { authorization: 'Bearer nonsense' };
      request(`${broker.url.replace('ws', 'http')}/v1/nodes`, { headers }, (response) => {
        response.resume();
        resolve(response.statusCode ?? 0);
      }).end();
    });
  expect([await list(), await list(), await list()]).toEqual([401, 401, 429]);
  expect((await upgrade(broker, 'nonsense')).status).toBe(429);
});

test('behind a trusted proxy its clients are counted, each by the last hop that is no proxy', async () => {
  const broker = await start({ maxAuthFailures: 1, trustedProxies: ['127.0.0.1', '10.0.0.0/8'] });
  const as = (client: string) => ({ headers: { 'x-forwarded-for': client } });
  expect((await upgrade(broker, 'wrong', as('192.0.2.1'))).status).toBe(401);
  expect((await upgrade(broker, 'wrong', as('192.0.2.1'))).status).toBe(429);
  // What the client wrote itself stands further to the left, and changes nothing.
  expect((await upgrade(broker, 'wrong', as('198.51.100.9, 192.0.2.1, 10.1.1.1'))).status).toBe(429);
  expect((await upgrade(broker, 'wrong', as('192.0.2.2'))).status).toBe(401);
});

test('nobody else is believed about who they are', async () => {
  const broker = await start({ maxAuthFailures: 1, trustedProxies: ['127.0.0.3'] });
  const as = (client: string) => ({ headers: { 'x-forwarded-for': client } });
  expect((await upgrade(broker, 'wrong', as('192.0.2.1'))).status).toBe(401);
  expect((await upgrade(broker, 'wrong', as('192.0.2.2'))).status).toBe(429);
});

test('links through a proxy count for their client, and its connections for nobody', async () => {
  const broker = await start({ maxConnectionsPerAddress: 1, trustedProxies: ['127.0.0.1'] });
  const as = (client: string, node: string) => ({
    headers: { 'x-forwarded-for': client },
    path: `/v1/agent?node=${node}&instance=a`,
  });
  expect((await upgrade(broker, await agentToken('a'), as('192.0.2.1', 'a'))).status).toBe(101);
  expect((await upgrade(broker, await agentToken('b'), as('192.0.2.1', 'b'))).status).toBe(429);
  expect((await upgrade(broker, await agentToken('b'), as('192.0.2.2', 'b'))).status).toBe(101);
  expect(broker.counters.refused['address-limit']).toBe(1);
});

test('a broker whose memory is spent takes no more links, and says when to come back', async () => {
  const broker = await start({ maxMemoryBytes: 64 * 1024 * 1024 });
  let answer = await upgrade(broker, await agentToken());
  // This process is larger than that; the broker notices within its first looks.
  while (answer.status === 101) answer = await upgrade(broker, await agentToken());
  expect(answer).toEqual({ status: 503, retryAfter: 1 });
  expect(broker.counters.refused.overloaded).toBeGreaterThan(0);
});

test('a principal has as many links as it may, replaced ones not counted', () => {
  const relay = new RelayUnderTest({ maxLinksPerPrincipal: 2 });
  const agent = relay.agent();
  relay.dialer(1n);
  const second = relay.dialer(2n);
  expect(relay.dialer(3n).closeCode).toBe(closeCodes.limit);
  expect(relay.dialer(4n, { principal: 'bob' }).closeCode).toBeUndefined();
  expect(relay.dialer(2n, { attempt: 1 }).closeCode).toBeUndefined();
  expect(second.closeCode).toBe(closeCodes.replaced);
  agent.vanishes();
  expect(relay.agent().closeCode).toBeUndefined();
  expect(relay.counters.refused['principal-limit']).toBe(1);
});

test.each([
  ['PING', (link: { says(type: number): void }) => link.says(frameTypes.PING)],
  ['frames of unknown types', (link: { says(type: number): void }) => link.says(200)],
  [
    'answers that nobody asked for',
    (link: { says(type: number, session: bigint): void }) => link.says(frameTypes.ATTACH, 99n),
  ],
])('a flood of %s ends its link, and a second later the count begins anew', (_, say) => {
  let nowMs = 0;
  const relay = new RelayUnderTest({ maxControlFramesPerSecond: 10, now: () => nowMs });
  const agent = relay.agent();
  for (let i = 0; i < 10; i++) say(agent);
  nowMs = 1000;
  for (let i = 0; i < 10; i++) say(agent);
  expect(agent.closeCode).toBeUndefined();
  say(agent);
  expect(agent.closeCode).toBe(closeCodes.limit);
});

test('an agent may answer as many ATTACHes as it was sent', () => {
  const relay = new RelayUnderTest({ maxControlFramesPerSecond: 10, now: () => 0 });
  const agent = relay.agent();
  for (let session = 1n; session <= 500n; session++) relay.acceptedDialer(session, agent);
  expect(agent.closeCode).toBeUndefined();
});

/** A reader on which `bytes` wait until it is cut. */
function reader(bytes: number) {
  return { bytes, bufferedBytes: () => bytes, count: () => bytes };
}

test('the slowest readers are cut, the worst first, until enough is free', async () => {
  const mebibyte = 1024 * 1024;
  const readers = [3, 40, 1, 30, 29].map((size) => reader(size * mebibyte));
  const links = new Set(readers);
  const cut: number[] = [];
  const pressure = new Pressure(
    { maxBufferedBytes: 100 * mebibyte, maxMemoryBytes: Number.MAX_SAFE_INTEGER },
    links,
    (link) => {
      cut.push(link.bytes / mebibyte);
      links.delete(link);
    },
  );
  opened.push({ close: () => pressure.stop() });
  pressure.changed(103 * mebibyte);
  expect(cut).toEqual([]);
  await Promise.resolve();
  expect(cut).toEqual([40]);
  expect(pressure.bufferedBytes).toBe(63 * mebibyte);
  expect(pressure.isHigh).toBe(false);
});

test('short of memory, one reader goes at a time, and none who reads', () => {
  const links = new Set([reader(100_000), reader(200_000), reader(10)]);
  const cut: number[] = [];
  const limits = { maxBufferedBytes: 1_000_000, maxMemoryBytes: 100 };
  const pressure = new Pressure(
    limits,
    links,
    (link) => {
      cut.push(link.bytes);
      links.delete(link);
    },
    () => 101,
  );
  opened.push({ close: () => pressure.stop() });
  for (let i = 0; i < 3; i++) pressure.look();
  expect(cut).toEqual([200_000, 100_000]);
  expect(pressure.isHigh).toBe(true);
});

test('while nothing is said to wait, not every look counts, and what was not said is found all the same', () => {
  let counts = 0;
  const quiet = {
    bytes: 0,
    bufferedBytes: () => quiet.bytes,
    count: () => {
      counts += 1;
      return quiet.bytes;
    },
  };
  const limits = { maxBufferedBytes: 1000, maxMemoryBytes: 100 };
  const cut: number[] = [];
  const pressure = new Pressure(
    limits,
    new Set([quiet]),
    (link) => cut.push(link.bytes),
    () => 1,
  );
  opened.push({ close: () => pressure.stop() });
  for (let i = 0; i < 10; i++) pressure.look();
  expect(counts).toBe(2);
  quiet.bytes = 900;
  for (let i = 0; i < 5; i++) pressure.look();
  expect(pressure.bufferedBytes).toBe(900);
  // Now something waits, and every look counts.
  quiet.bytes = 100_000;
  pressure.look();
  expect(cut).toEqual([100_000]);
});

test('a source is an IPv4 address, however it is written, or the /64 of an IPv6 address', () => {
  expect(sourceOf('192.0.2.7')).toBe('192.0.2.7');
  expect(sourceOf('::ffff:192.0.2.7')).toBe('192.0.2.7');
  expect(sourceOf('2001:db8:1:2:3:4:5:6')).toBe(sourceOf('2001:db8:1:2::'));
  expect(sourceOf('2001:db8:1:2::')).not.toBe(sourceOf('2001:db8:1:3::'));
  expect(sourceOf('fe80::1%eth0')).toBe(sourceOf('fe80::2'));
  expect(sourceOf('nonsense')).toBe('unknown');
});

test.each([
  ['for=192.0.2.60;proto=http;by=203.0.113.43', '192.0.2.60'],
  ['for=198.51.100.1, for="192.0.2.60:4711"', '192.0.2.60'],
  ['for=198.51.100.1;by=10.0.0.9, For="[2001:db8::17]:4711"', sourceOf('2001:db8::17')],
  // What says nothing, or not in a way that is known, leaves the proxy itself.
  ['for=unknown', '10.0.0.1'],
  ['for=_hidden', '10.0.0.1'],
  ['192.0.2.60', '10.0.0.1'],
  ['', '10.0.0.1'],
])('Forwarded: %s', (forwarded, source) => {
  const sources = new Sources({ proxies: ['10.0.0.0/8'], header: 'forwarded' });
  expect(sources.ofRequest('10.0.0.1', { forwarded, 'x-forwarded-for': '1.2.3.4' })).toBe(source);
  expect(sources.ofRequest('192.0.2.99', { forwarded })).toBe('192.0.2.99');
});

test.each(['10.0.0.0/33', '10.0.0/8', 'example.com', '::1/129', '10.0.0.0/8/8', '', '0x7f.1', '10.0.0.0/-1'])(
  '"%s" is no proxy to trust',
  (proxy) => {
    expect(() => new Sources({ proxies: [proxy], header: 'forwarded' })).toThrow(/not an address or a CIDR/);
  },
);

test('a flood of sources takes a table of fixed size, and catches few bystanders', async () => {
  const rate = new SourceRate(1, 60);
  for (let i = 0; i < 200; i++) await rate.take(`192.0.2.${i}`);
  let caught = 0;
  for (let i = 0; i < 200; i++) if ((await rate.waitMs(`198.51.100.${i}`)) > 0) caught++;
  expect(caught).toBeLessThan(10);
  expect(await rate.waitMs('192.0.2.1')).toBeGreaterThan(0);
});

test('every limit has a default within its range', () => {
  for (const [name, { least, most, standard }] of Object.entries(brokerLimits))
    expect([name, least <= standard && standard <= most]).toEqual([name, true]);
});
