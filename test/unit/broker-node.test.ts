// The broker on Node, with real sockets: who is let in, what is answered to whom is not, and how it stops.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text as readText } from 'node:stream/consumers';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import type { BrokerLog } from '../../src/broker/broker-log.ts';
import {
  type Broker,
  type BrokerOptions,
  type MintOptions,
  mintToken,
  startBroker,
} from '../../src/broker/index.ts';
import { controlTypeName, decodeControl, encodeControl } from '../../src/protocol/control.ts';
import { readSession } from '../../src/protocol/envelope.ts';
import { frameTypes } from '../../src/protocol/frame.ts';
import { message } from './broker-fake-link.ts';

const secret = 'a secret for tests, long enough to sign with';
const session = '00000000000000ff';
const agentPath = '/v1/agent?node=edge-1&instance=first';
const dialPath = `/v1/dial?node=edge-1&session=${session}`;

const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const one of opened.splice(0)) await one.close();
});

async function start(options: Partial<BrokerOptions> = {}): Promise<Broker> {
  const broker = await startBroker({ secret, port: 0, ...options });
  opened.push(broker);
  return broker;
}

type Grant = MintOptions extends infer Option
  ? Option extends unknown
    ? Omit<Option, 'secret'>
    : never
  : never;

const agentGrant: Grant = { agent: 'edge-1' };
const dialGrant: Grant = { dial: ['edge-*'] };

async function bearer(grant: Grant): Promise<string> {
  return `Bearer ${await mintToken({ ...grant, secret } as MintOptions)}`;
}

class Peer {
  readonly webSocket: WebSocket;
  readonly heard: Buffer[] = [];

  constructor(broker: Broker, path: string, headers: Record<string, string>, protocols = ['fairlead.v1']) {
    // RFC 6455 §5.3: a zero mask is legal, and on loopback a copy less.
    const generateMask = (mask: Buffer) => void mask.fill(0);
    this.webSocket = new WebSocket(`${broker.url}${path}`, protocols, { headers, generateMask });
    this.webSocket.on('message', (data) => this.heard.push(data as Buffer));
    this.webSocket.on('error', () => {});
    opened.push({ close: () => this.webSocket.terminate() });
  }

  /** Waits until something was heard for which `found` is true, and takes all up to it. */
  async hears(found: (data: Buffer) => boolean): Promise<Buffer> {
    for (;;) {
      const at = this.heard.findIndex(found);
      if (at !== -1) return this.heard.splice(0, at + 1).at(-1) as Buffer;
      await once(this.webSocket, 'message');
    }
  }

  hearsControl(type: number): Promise<Buffer> {
    return this.hears((data) => readSession(data) === 0n && decodeControl(data)[0]?.type === type);
  }

  async closed(): Promise<number> {
    const [code] = await once(this.webSocket, 'close');
    return code as number;
  }
}

async function join(broker: Broker, path: string, grant: Grant): Promise<Peer> {
  const peer = new Peer(broker, path, { authorization: await bearer(grant) });
  await once(peer.webSocket, 'open');
  return peer;
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: unknown;
}

/** What an upgrade that is turned away is answered. */
async function refusal(
  broker: Broker,
  path: string,
  headers: Record<string, string>,
  protocols?: string[],
): Promise<Answer> {
  const peer = new Peer(broker, path, headers, protocols);
  const [, response] = await once(peer.webSocket, 'unexpected-response');
  const text = await readText(response);
  return { status: response.statusCode, headers: response.headers, body: JSON.parse(text) };
}

function httpUrl(broker: Broker, path: string): string {
  return `${broker.url.replace(/^ws/, 'http')}${path}`;
}

function rawSocket(broker: Broker): Socket {
  const socket = connect(broker.address.port, broker.address.address);
  socket.on('error', () => {});
  opened.push({ close: () => socket.destroy() });
  return socket;
}

test('an agent and a dialer find each other and exchange messages', async () => {
  const broker = await start();
  const agent = await join(broker, agentPath, agentGrant);
  const dialer = await join(broker, dialPath, dialGrant);
  await agent.hearsControl(frameTypes.ATTACH);
  agent.webSocket.send(encodeControl(frameTypes.ATTACH, 0xffn));
  await dialer.hearsControl(frameTypes.ATTACH);
  const large = message(0xffn, 'x'.repeat(256 * 1024));
  dialer.webSocket.send(large);
  // Not toEqual, which takes half a second for so many bytes.
  expect((await agent.hears((data) => readSession(data) === 0xffn)).equals(large)).toBe(true);
  agent.webSocket.send(message(0xffn, 'answer'));
  expect(await dialer.hears((data) => readSession(data) === 0xffn)).toEqual(
    Buffer.from(message(0xffn, 'answer')),
  );
});

test('an agent that stops reading holds its dialer back, and nothing is lost when it reads on', async () => {
  const broker = await start();
  const agent = await join(broker, agentPath, agentGrant);
  const dialer = await join(broker, dialPath, dialGrant);
  await agent.hearsControl(frameTypes.ATTACH);
  agent.webSocket.pause();
  const chunk = message(0xffn, 'x'.repeat(256 * 1024));
  const messages = 256;
  let drained = 0;
  for (let i = 0; i < messages; i++) dialer.webSocket.send(chunk, () => drained++);
  const link = broker.relay.switchboard.agent('edge-1', 'first');
  while (broker.counters.pauses === 0) await nextTurn();
  // The kernel takes what it takes; after that the dialer's own queue stands still.
  for (let still = 0, before = -1; still < 50; still = drained === before ? still + 1 : 0) {
    before = drained;
    await nextTurn();
  }
  expect(drained).toBeLessThan(messages);
  expect(link?.bufferedBytes()).toBeLessThan(2 * 1024 * 1024);
  agent.webSocket.resume();
  for (let i = 0; i < messages; i++) await agent.hears((data) => data.length === chunk.length);
  expect(broker.relay.switchboard.dialer(0, 0xff)?.tag.paused).toBe(false);
});

test('a dialer that stops reading is cut, and the agent goes on', async () => {
  const broker = await start({ inFlightBytes: 65_536, slowReaderSlackBytes: 65_536 });
  const agent = await join(broker, agentPath, agentGrant);
  const dialer = await join(broker, dialPath, dialGrant);
  await agent.hearsControl(frameTypes.ATTACH);
  agent.webSocket.send(encodeControl(frameTypes.ATTACH, 0xffn));
  dialer.webSocket.pause();
  const chunk = message(0xffn, 'x'.repeat(256 * 1024));
  while (broker.counters.closed[4413] === 0) {
    agent.webSocket.send(chunk);
    await nextTurn();
  }
  await agent.hearsControl(frameTypes.DETACH);
  agent.webSocket.send(encodeControl(frameTypes.PING, 1n));
  await agent.hearsControl(frameTypes.PONG);
});

test('every link hears HELLO first, under the subprotocol', async () => {
  const broker = await start({ version: '9.9.9' });
  const agent = await join(broker, agentPath, agentGrant);
  expect(agent.webSocket.protocol).toBe('fairlead.v1');
  const hello = await agent.hears(() => true);
  expect(controlTypeName(decodeControl(hello)[0]?.type ?? 0)).toBe('HELLO');
});

test.each<[string, string, Grant, number, string]>([
  ['an agent of another node', '/v1/agent?node=edge-2&instance=i', agentGrant, 403, 'ERR_FORBIDDEN'],
  [
    'a dialer at a node that is not granted',
    `/v1/dial?node=core-1&session=${session}`,
    dialGrant,
    403,
    'ERR_FORBIDDEN',
  ],
  ['a dialer as an agent', agentPath, dialGrant, 403, 'ERR_FORBIDDEN'],
  ['an agent as a dialer', dialPath, agentGrant, 403, 'ERR_FORBIDDEN'],
  ['an agent without an instance', '/v1/agent?node=edge-1', agentGrant, 400, 'ERR_PROTOCOL'],
  ['a node that is no name', '/v1/agent?node=EDGE&instance=i', agentGrant, 400, 'ERR_PROTOCOL'],
  ['session 0', '/v1/dial?node=edge-1&session=0000000000000000', dialGrant, 400, 'ERR_PROTOCOL'],
  ['a session that is no id', '/v1/dial?node=edge-1&session=ff', dialGrant, 400, 'ERR_PROTOCOL'],
  ['a parameter given twice', `${agentPath}&node=edge-2`, agentGrant, 400, 'ERR_PROTOCOL'],
  ['a path that is not for links', '/v1/nothing', agentGrant, 404, 'ERR_PROTOCOL'],
])('%s is refused with a JSON body', async (_name, path, grant, status, code) => {
  const broker = await start();
  const answer = await refusal(broker, path, { authorization: await bearer(grant) });
  expect(answer).toMatchObject({ status, body: { error: { code, message: expect.any(String) } } });
  expect(answer.headers['content-type']).toBe('application/json');
  expect([...broker.relay.switchboard.links()]).toEqual([]);
});

test('a caller without a token, or with a wrong one, is told how to authenticate and never sees the token again', async () => {
  const broker = await start();
  const wrong = await mintToken({ secret: 'another secret, as long as the right one is', agent: 'edge-1' });
  const attempts: Record<string, string>[] = [
    {},
    { authorization: `Bearer ${wrong}` },
    { authorization: 'Basic eDp5' },
  ];
  for (const headers of attempts) {
    const answer = await refusal(broker, agentPath, headers);
    expect(answer).toMatchObject({ status: 401, body: { error: { code: 'ERR_UNAUTHORIZED' } } });
    expect(answer.headers['www-authenticate']).toBe('Bearer');
    expect(JSON.stringify(answer.body)).not.toContain(wrong.slice(-20));
  }
  expect(broker.counters.refused.unauthorized).toBe(3);
});

test('a browser is refused', async () => {
  const broker = await start();
  const headers = { authorization: await bearer(agentGrant), origin: 'https://example.com' };
  expect(await refusal(broker, agentPath, headers)).toMatchObject({ status: 403 });
});

test('a client of another subprotocol is refused', async () => {
  const broker = await start();
  const headers = { authorization: await bearer(agentGrant) };
  expect(await refusal(broker, agentPath, headers, ['other.v1'])).toMatchObject({ status: 400 });
});

test('a link path that is asked for without an upgrade says so', async () => {
  const broker = await start();
  expect((await fetch(httpUrl(broker, agentPath))).status).toBe(426);
});

test('an upgrade to something else than a WebSocket is answered as if it were not there', async () => {
  const broker = await start();
  const socket = rawSocket(broker);
  socket.write('GET /healthz HTTP/1.1\r\nHost: b\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n');
  const text = await readText(socket);
  expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
  expect(text).toContain('{"status":"ok"}');
});

test.each([
  ['a handshake without a key', `GET ${agentPath} HTTP/1.1`, 400],
  ['an upgrade that is not a GET', `POST ${agentPath} HTTP/1.1`, 400],
  ['a request target that is no URL', 'GET //: HTTP/1.1', 400],
])('%s is refused with a JSON body', async (_name, requestLine, status) => {
  const broker = await start();
  const socket = rawSocket(broker);
  const headers = [
    'Host: b',
    'Connection: Upgrade',
    'Upgrade: websocket',
    'Sec-WebSocket-Protocol: fairlead.v1',
    `Authorization: ${await bearer(agentGrant)}`,
  ];
  socket.write(`${[requestLine, ...headers].join('\r\n')}\r\n\r\n`);
  const text = await readText(socket);
  expect(text).toMatch(new RegExp(`^HTTP/1\\.1 ${status} `));
  expect(text).toContain('"code":"ERR_PROTOCOL"');
});

test('a connection that never finishes its request is ended', async () => {
  const broker = await start({ handshakeMs: 100 });
  const socket = rawSocket(broker);
  socket.write('GET /healthz HTTP/1.1\r\nHost');
  socket.resume();
  await once(socket, 'close');
});

test('a text message ends the link with 1003', async () => {
  const broker = await start();
  const agent = await join(broker, agentPath, agentGrant);
  agent.webSocket.send('text');
  expect(await agent.closed()).toBe(1003);
  expect(broker.counters.closed[1003]).toBe(1);
});

test('a message over the limit ends the link with 1009, and no other', async () => {
  const broker = await start();
  const agent = await join(broker, agentPath, agentGrant);
  const dialer = await join(broker, dialPath, dialGrant);
  dialer.webSocket.send(new Uint8Array(266_241));
  expect(await dialer.closed()).toBe(1009);
  expect(broker.counters.closed[1009]).toBe(1);
  expect(agent.webSocket.readyState).toBe(WebSocket.OPEN);
});

test("a message with another session's id ends the link with 4400", async () => {
  const broker = await start();
  const dialer = await join(broker, dialPath, dialGrant);
  dialer.webSocket.send(message(1n));
  expect(await dialer.closed()).toBe(4400);
});

test('a frame that breaks RFC 6455 ends its link and is counted', async () => {
  const broker = await start();
  const agent = await join(broker, agentPath, agentGrant);
  const dialer = await join(broker, dialPath, dialGrant);
  // A reserved opcode, masked.
  rawSocketOf(dialer).write(Buffer.from([0x83, 0x80, 0, 0, 0, 0]));
  await dialer.closed();
  expect(broker.counters.closed[1002]).toBe(1);
  expect(agent.webSocket.readyState).toBe(WebSocket.OPEN);
});

test('a peer that is silent is pinged, and given up when it stays so', async () => {
  const broker = await start({ idleMs: 20, silenceMs: 100 });
  const live = await join(broker, agentPath, agentGrant);
  const dead = await join(broker, dialPath, dialGrant);
  rawSocketOf(dead).pause();
  await live.hearsControl(frameTypes.DETACH);
  expect(broker.counters.closed[4408]).toBe(1);
  expect(live.webSocket.readyState).toBe(WebSocket.OPEN);
});

test('a dialer only sees the nodes that its token grants', async () => {
  const broker = await start();
  await join(broker, '/v1/agent?node=edge-1&instance=first&version=1.0', agentGrant);
  await join(broker, '/v1/agent?node=core-1&instance=only', { agent: 'core-1' });
  await join(broker, dialPath, dialGrant);
  const headers = { authorization: await bearer(dialGrant) };
  const edge = {
    node: 'edge-1',
    instances: [
      {
        instance: 'first',
        version: '1.0',
        since: expect.any(String),
        draining: false,
        labels: {},
        routes: [],
        sessions: 1,
      },
    ],
  };
  const list = await fetch(httpUrl(broker, '/v1/nodes'), { headers });
  expect(await list.json()).toEqual({ nodes: [edge] });
  const one = await fetch(httpUrl(broker, '/v1/nodes/edge-1'), { headers });
  expect(await one.json()).toEqual(edge);
  expect((await fetch(httpUrl(broker, '/v1/nodes/core-1'), { headers })).status).toBe(403);
  const away = await fetch(httpUrl(broker, '/v1/nodes/edge-9'), { headers });
  expect([away.status, await away.json()]).toMatchObject([404, { error: { code: 'ERR_NODE_UNREACHABLE' } }]);
});

test('the list of nodes needs a dial token', async () => {
  const broker = await start();
  expect((await fetch(httpUrl(broker, '/v1/nodes'))).status).toBe(401);
  const headers = { authorization: await bearer(agentGrant) };
  expect((await fetch(httpUrl(broker, '/v1/nodes'), { headers })).status).toBe(403);
});

test('health, readiness and what is not there', async () => {
  const broker = await start();
  expect((await fetch(httpUrl(broker, '/healthz'))).status).toBe(200);
  expect((await fetch(httpUrl(broker, '/readyz'))).status).toBe(200);
  const nothing = await fetch(httpUrl(broker, '/nothing'));
  expect([nothing.status, await nothing.json()]).toMatchObject([
    404,
    { error: { message: expect.any(String) } },
  ]);
});

test('draining asks every peer to move, turns new ones away, and closes when they have gone', async () => {
  const broker = await start({ drainMs: 60_000 });
  const agent = await join(broker, agentPath, agentGrant);
  const dialer = await join(broker, dialPath, dialGrant);
  const drained = broker.drain();
  await Promise.all([agent, dialer].map((peer) => peer.hearsControl(frameTypes.GOAWAY)));
  expect((await fetch(httpUrl(broker, '/readyz'))).status).toBe(503);
  expect(await refusal(broker, agentPath, { authorization: await bearer(agentGrant) })).toMatchObject({
    status: 503,
    body: { error: { code: 'ERR_DRAINING' } },
  });
  agent.webSocket.close();
  dialer.webSocket.close();
  await drained;
  await expect(fetch(httpUrl(broker, '/healthz'))).rejects.toThrow();
});

test('peers that do not move are closed with 1001', async () => {
  const broker = await start({ drainMs: 20 });
  const agent = await join(broker, agentPath, agentGrant);
  const [code] = await Promise.all([agent.closed(), broker.drain()]);
  expect(code).toBe(1001);
});

test('close does not wait for a drain that is under way', async () => {
  const broker = await start({ drainMs: 3_600_000 });
  const agent = await join(broker, agentPath, agentGrant);
  const drained = broker.drain();
  const [code] = await Promise.all([agent.closed(), broker.close(), drained]);
  expect(code).toBe(1001);
});

test('an address that is taken is refused with the code that Node gives', async () => {
  const broker = await start();
  await expect(start({ port: broker.address.port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
});

test.each<[string, Partial<BrokerOptions>]>([
  ['a port that is none', { port: 70_000 }],
  ['marks the wrong way round', { lowWaterBytes: 2_000_000 }],
  ['a secret too short', { secret: 'short' }],
  ['a certificate that is none', { tls: { cert: 'no', key: 'no' } }],
])('%s is refused before anything listens', async (_name, options) => {
  await expect(start(options)).rejects.toMatchObject({ code: 'ERR_CONFIG' });
});

test('each event is one log line with a stable name, and no line holds a token', async () => {
  const lines: Record<string, unknown>[] = [];
  const write = (fields: object) => void lines.push({ ...fields });
  const log: BrokerLog = { info: write, warn: write, error: write };
  const broker = await start({ log });
  const authorization = await bearer(agentGrant);
  const agent = new Peer(broker, agentPath, { authorization });
  await once(agent.webSocket, 'open');
  await refusal(broker, '/v1/agent?node=edge-2&instance=i', { authorization });
  agent.webSocket.send('text');
  await agent.closed();
  await broker.close();
  expect(lines.map((line) => line.event)).toEqual([
    'link-open',
    'link-refused',
    'link-closed',
    'broker-closed',
  ]);
  expect(lines[1]).toMatchObject({ status: 403, path: '/v1/agent' });
  expect(lines[2]).toMatchObject({ code: 1003, node: 'edge-1' });
  expect(JSON.stringify(lines)).not.toContain(authorization.slice(-20));
});

/** The TCP socket under a client's WebSocket, for what a well-behaved client never does. */
function rawSocketOf(peer: Peer): Socket {
  return (peer.webSocket as unknown as { _socket: Socket })._socket;
}
