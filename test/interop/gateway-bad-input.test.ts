// What the gateway answers to those who get it wrong, each in its own way, with a real broker and agent behind it and
// everything in this process, so that what is left behind can be counted.

import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import { type Broker, mintToken, startBroker } from '../../src/broker/index.ts';
import { type BrokerClient, connect as connectBroker } from '../../src/client/index.ts';
import { type Gateway, type GatewayOptions, startGateway } from '../../src/gateway/index.ts';
import { connectThrough, exchange, readAll } from '../rig/gateway.ts';

const secret = 'a secret of the tests, long enough for HS256';
const loopback = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
const target = createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => {}).pipe(socket));
let broker: Broker;
let agent: Awaited<ReturnType<typeof startAgent>>;
let client: BrokerClient;
let gateway: Gateway;
/** Waits only half a second for what a client wants. */
let hasty: Gateway;
let targetPort = 0;
let connectPort = 0;
let socksPort = 0;

function portOf(address: string | undefined): number {
  return Number(address?.split(':').at(-1));
}

async function start(options: Partial<GatewayOptions> = {}): Promise<Gateway> {
  return await startGateway({ broker: client, httpConnect: [loopback], socks5: [loopback], ...options });
}

beforeAll(async () => {
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  targetPort = (target.address() as { port: number }).port;
  broker = await startBroker({ secret, port: 0 });
  // At port 1 nobody listens.
  agent = await startAgent({
    url: broker.url,
    token: await mintToken({ secret, agent: 'edge-1', routes: ['db.invalid'] }),
    node: 'edge-1',
    allow: [`127.0.0.1:${targetPort}`, '127.0.0.1:1', 'db.invalid:*'],
    routes: ['db.invalid'],
    dialTimeoutMs: 5_000,
  });
  const grants = [`127.0.0.1:${targetPort}`, '127.0.0.1:1-2', 'db.invalid:5432'];
  client = connectBroker({
    url: broker.url,
    token: await mintToken({ secret, dial: ['*'], targets: grants }),
  });
  gateway = await start({ maxConnections: 50 });
  hasty = await start({ headTimeoutMs: 500 });
  [connectPort, socksPort] = gateway.addresses.map(portOf) as [number, number];
});

afterAll(async () => {
  await gateway.close();
  await hasty.close();
  await client.close();
  await agent.close();
  await broker.close();
  target.close();
});

afterEach(async () => {
  // Nothing is left behind: not at the gateway, and not at the target.
  while (gateway.connectionCount + hasty.connectionCount > 0 || (await connectionsOf()) > 0) await sleep(5);
});

function connectionsOf(): Promise<number> {
  return new Promise((resolve) => target.getConnections((_error, count) => resolve(count)));
}

function parts(answer: string): {
  statusLine: string;
  fields: string;
  error: { code: string; message: string };
} {
  const [head = '', body = ''] = answer.split('\r\n\r\n');
  const [statusLine = '', ...fields] = head.split('\r\n');
  return {
    statusLine,
    fields: fields.join('\n'),
    ...(JSON.parse(body) as { error: { code: string; message: string } }),
  };
}

describe('CONNECT', () => {
  test.each<[string, () => string, number, string]>([
    ['no port', () => 'edge-1', 400, 'has no port'],
    ['port 0', () => 'edge-1:0', 400, 'not a port'],
    ['port 70000', () => 'edge-1:70000', 400, 'not a port'],
    ['an IPv6 address without brackets', () => '::1:22', 400, 'HOST:PORT'],
    [
      'a host that nobody serves',
      () => 'nobody.example:22',
      404,
      'no connected agent serves "nobody.example"',
    ],
    ['a target that the token does not grant', () => 'edge-1:3', 403, 'ERR_GRANT_DENIED'],
    ['a target that the agent does not allow', () => 'edge-1:2', 403, 'ERR_TARGET_DENIED'],
    ['a port where nobody listens', () => 'edge-1:1', 502, 'ECONNREFUSED'],
    ['a name that does not resolve', () => 'db.invalid:5432', 502, 'ENOTFOUND'],
  ])('%s', async (_, authority, status, why) => {
    const answer = await exchange(
      { port: connectPort },
      `CONNECT ${authority()} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`,
    );
    const { statusLine, fields, error } = parts(answer);
    expect(statusLine).toMatch(new RegExp(`^HTTP/1\\.1 ${status} [\\x20-\\x7e]+$`));
    expect(statusLine).toContain(why);
    expect(fields).toContain('Connection: close');
    expect(error.message).toContain(why);
    expect(statusLine).toContain(error.code);
  });

  test.each<[string, string, number, string]>([
    ['another method', 'GET http://edge-1/ HTTP/1.1\r\nHost: edge-1\r\n\r\n', 405, 'not for GET'],
    ['a request line that is none', 'hello there\r\n\r\n', 400, 'not an HTTP request'],
    ['a version that there is not', 'CONNECT edge-1:1 HTTP/9.9\r\n\r\n', 400, 'not an HTTP request'],
    ['a target that is a path', 'CONNECT /path HTTP/1.1\r\nHost: x\r\n\r\n', 400, ''],
    ['a header without a colon', 'CONNECT edge-1:1 HTTP/1.1\r\nnonsense\r\n\r\n', 400, 'not an HTTP request'],
    ['a header name with a space', 'CONNECT edge-1:1 HTTP/1.1\r\na b: c\r\n\r\n', 400, 'not an HTTP request'],
    ['TLS where there is none', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400, 'not an HTTP request'],
    [
      'a head over the limit',
      `CONNECT edge-1:1 HTTP/1.1\r\na: ${'x'.repeat(20_000)}\r\n\r\n`,
      431,
      '16384 bytes',
    ],
    [
      'headers without end',
      `CONNECT edge-1:1 HTTP/1.1\r\n${'name: value\r\n'.repeat(5000)}`,
      431,
      '16384 bytes',
    ],
    ['a line that never ends', 'CONNECT '.padEnd(40_000, 'x'), 431, ''],
  ])('%s', async (_, bytes, status, why) => {
    const answer = await exchange({ port: connectPort }, Buffer.from(bytes, 'latin1'));
    const { statusLine, error } = parts(answer);
    expect(statusLine).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
    expect(error.message).toContain(why);
  });

  test('a client that sends its head byte by byte has only so long, and one that says nothing too', async () => {
    const port = portOf(hasty.addresses[0]);
    const slow = connect({ host: '127.0.0.1', port });
    const drip = setInterval(() => slow.write('C'), 50);
    slow.write('CONNECT edge-1:');
    const silent = connect({ host: '127.0.0.1', port });
    const [dripped, nothing] = await Promise.all([readAll(slow), readAll(silent)]);
    clearInterval(drip);
    expect(parts(dripped.toString()).statusLine).toMatch(/^HTTP\/1\.1 408 /);
    expect(parts(nothing.toString()).statusLine).toMatch(/^HTTP\/1\.1 408 /);
  });

  test('a second request on a connection that was refused is not heard', async () => {
    const answer = await exchange(
      { port: connectPort },
      `GET / HTTP/1.1\r\nHost: x\r\n\r\nCONNECT edge-1:${targetPort} HTTP/1.1\r\nHost: x\r\n\r\n`,
    );
    expect(answer).toMatch(/^HTTP\/1\.1 405 /);
    expect(answer.match(/HTTP\/1\.1/g)).toHaveLength(1);
  });

  test('over the bound the next is told so, and there is room again when one has left', async () => {
    const sockets = await Promise.all(
      Array.from({ length: 50 }, () => connectThrough({ port: connectPort }, `edge-1:${targetPort}`)),
    );
    const full = parts(await exchange({ port: connectPort }, ''));
    expect(full.statusLine).toMatch(/^HTTP\/1\.1 503 .*as many connections/);
    sockets[0]?.socket.destroy();
    while (gateway.connectionCount > 49) await sleep(5);
    const { socket, head } = await connectThrough({ port: connectPort }, `edge-1:${targetPort}`);
    expect(head).toContain('200');
    for (const one of [socket, ...sockets.map((each) => each.socket)]) one.destroy();
  });

  test('each direction ends by itself', async () => {
    const { socket } = await connectThrough({ port: connectPort }, `edge-1:${targetPort}`);
    socket.end('the last of it');
    expect((await readAll(socket)).toString()).toBe('the last of it');
  });

  test('a client that resets its connection is a reset at the target', async () => {
    const heard = new Promise<Error & { code?: string }>((resolve) =>
      target.once('connection', (socket) => socket.once('error', resolve)),
    );
    const { socket } = await connectThrough({ port: connectPort }, `edge-1:${targetPort}`);
    socket.resetAndDestroy();
    expect((await heard).code).toBe('ECONNRESET');
  });
});

describe('SOCKS5', () => {
  const toPort = (port: number): number[] => [port >> 8, port & 255];
  const toName = (name: string, port: number): number[] => [
    5,
    1,
    0,
    3,
    name.length,
    ...Buffer.from(name),
    ...toPort(port),
  ];
  const greeting = [5, 1, 0];

  async function say(...bytes: number[]): Promise<number[]> {
    return await sayAt(socksPort, bytes);
  }

  async function sayAt(port: number, bytes: number[]): Promise<number[]> {
    return [...Buffer.from(await exchange({ port }, Buffer.from(bytes)), 'latin1')];
  }

  test.each<[string, number[], number]>([
    ['a host that nobody serves', toName('nobody.example', 22), 4],
    ['a target that the token does not grant', toName('edge-1', 3), 2],
    ['a target that the agent does not allow', toName('edge-1', 2), 2],
    ['a port where nobody listens', toName('edge-1', 1), 5],
    ['a name that does not resolve', toName('db.invalid', 5432), 4],
    ['BIND', [5, 2, 0, 1, 127, 0, 0, 1, 0, 22], 7],
    ['UDP ASSOCIATE', [5, 3, 0, 1, 127, 0, 0, 1, 0, 22], 7],
    ['an address type that there is not', [5, 1, 0, 9, 1, 2, 3], 8],
    ['port 0', toName('edge-1', 0), 1],
  ])('%s', async (_, request, reply) => {
    expect(await say(...greeting, ...request)).toEqual([5, 0, 5, reply, 0, 1, 0, 0, 0, 0, 0, 0]);
  });

  test('no method that is offered here, and SOCKS4, which is closed without a word', async () => {
    expect(await say(5, 2, 1, 2)).toEqual([5, 255]);
    expect(await say(4, 1, 0, 22, 127, 0, 0, 1, 0)).toEqual([]);
  });

  test('a handshake that stops half way is closed when its time is over', async () => {
    const port = portOf(hasty.addresses[1]);
    expect(await sayAt(port, [...greeting, 5, 1, 0, 3, 200, 120])).toEqual([5, 0]);
    expect(await sayAt(port, [5])).toEqual([]);
  });

  test('a request in pieces, with what the target is to hear right behind it', async () => {
    const socket = connect({ host: '127.0.0.1', port: socksPort, allowHalfOpen: true, noDelay: true });
    const all = readAll(socket);
    for (const byte of [...greeting, ...toName('edge-1', targetPort), ...Buffer.from('hello')]) {
      socket.write(Uint8Array.of(byte));
      await sleep(1);
    }
    socket.end();
    expect((await all).toString('latin1')).toBe('\x05\x00\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00hello');
  });
});

test('plain TCP beyond loopback, TLS without a certificate, and SOCKS5 over TLS are refused', async () => {
  const everywhere = { kind: 'tcp', host: '0.0.0.0', port: 0 } as const;
  await expect(start({ httpConnect: [everywhere] })).rejects.toMatchObject({
    code: 'ERR_CONFIG',
    message: expect.stringContaining('tls:0.0.0.0:0'),
  });
  const tls = { kind: 'tls', host: '127.0.0.1', port: 0 } as const;
  await expect(start({ httpConnect: [tls] })).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  await expect(start({ socks5: [tls] })).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  await expect(start({ maxConnections: 0 })).rejects.toThrow('gateway option "maxConnections"');
});

test('a drain lets what is open finish, takes nothing new, and ends', async () => {
  const other = await start();
  const to = { port: portOf(other.addresses[0]) };
  const { socket } = await connectThrough(to, `edge-1:${targetPort}`);
  const idle: Socket = connect({ host: '127.0.0.1', port: to.port });
  await new Promise((resolve) => idle.once('connect', resolve));
  const idleEnded = readAll(idle);
  const drained = other.drain(60_000);
  await idleEnded;
  await expect(
    new Promise((_resolve, reject) => connect({ host: '127.0.0.1', port: to.port }).once('error', reject)),
  ).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  socket.end('still here');
  expect((await readAll(socket)).toString()).toBe('still here');
  await drained;
  expect(other.connectionCount).toBe(0);
});
