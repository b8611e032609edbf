// The dial API through a real broker and real agents, all in this process: what a program that dials sees.

import { once } from 'node:events';
import { createServer as createHttpServer, request } from 'node:http';
import { type AddressInfo, connect as connectTcp, createServer, type Server, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import { type Broker, mintToken, startBroker } from '../../src/broker/index.ts';
import { type BrokerClient, type ConnectOptions, connect } from '../../src/client/index.ts';

type Agent = Awaited<ReturnType<typeof startAgent>>;
type AgentOptions = Parameters<typeof startAgent>[0];

const secret = 'a secret for tests that is long enough';
const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function runBroker(port = 0): Promise<Broker> {
  const started = await startBroker({ secret, port, drainMs: 200 });
  undo.push(() => started.close());
  return started;
}

async function runAgent(url: string, options: Partial<AgentOptions> = {}): Promise<Agent> {
  const token = await mintToken({ secret, agent: 'edge-1' });
  const started = await startAgent({ url, token, node: 'edge-1', allow: ['127.0.0.1:*'], ...options });
  undo.push(() => started.close());
  return started;
}

async function client(
  url: string,
  options: Partial<ConnectOptions> = {},
  targets?: string[],
): Promise<BrokerClient> {
  const token = await mintToken({ secret, dial: ['edge-*'], targets });
  const made = connect({ url, token, ...options });
  undo.push(() => made.close());
  return made;
}

async function listen(server: Server): Promise<{ node: string; host: string; port: number }> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo.push(() => server.close());
  return { node: 'edge-1', host: '127.0.0.1', port: (server.address() as AddressInfo).port };
}

function echo(): Server {
  return createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => {}).pipe(socket));
}

/** A way to a port that can be cut for good, as when a machine loses its network. */
async function cuttablePath(port: number): Promise<{ url: string; cut: () => void }> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connectTcp(port, '127.0.0.1');
    for (const socket of [near, far]) sockets.add(socket.on('error', () => {}));
    near.pipe(far).pipe(near);
  });
  const { port: entry } = await listen(server);
  const cut = (): void => {
    server.close();
    for (const socket of sockets) socket.destroy();
  };
  return { url: `ws://127.0.0.1:${entry}`, cut };
}

/** Tries until it holds: for states that another party reaches in its own time. */
async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  while (!(await holds())) await sleep(10);
}

test('a dialled socket says where it is connected and carries bytes exactly, half-close both ways', async () => {
  const { url } = await runBroker();
  await runAgent(url);
  const target = await listen(echo());
  const socket = await (await client(url)).dial({ ...target, allowHalfOpen: true });
  expect([socket.remoteAddress, socket.remotePort, socket.remoteFamily]).toEqual([
    '127.0.0.1',
    target.port,
    'IPv4',
  ]);
  const sent = Buffer.alloc(3_000_000, 'sixteen bytes of');
  socket.end(sent);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  expect(Buffer.concat(chunks).equals(sent)).toBe(true);
});

test('what is written while still connecting arrives', async () => {
  const { url } = await runBroker();
  await runAgent(url);
  const socket = (await client(url)).dialStream(await listen(echo()));
  expect(socket.connecting).toBe(true);
  socket.end('optimist');
  expect(await text(socket)).toBe('optimist');
});

test('an HTTP client works over a dial', async () => {
  const { url } = await runBroker();
  await runAgent(url);
  const target = await listen(createHttpServer((_request, response) => response.end('found it')));
  const broker = await client(url);
  const body = await new Promise((resolve, reject) => {
    request({ createConnection: () => broker.dialStream(target) }, (response) => resolve(text(response)))
      .on('error', reject)
      .end();
  });
  expect(body).toBe('found it');
});

test('a target that refuses, one outside the allow list and one outside the grants have their own codes', async () => {
  const { url } = await runBroker();
  await runAgent(url);
  const open = await listen(echo());
  const closed = createServer();
  const refused = await listen(closed);
  await new Promise((resolve) => closed.close(resolve));
  const broker = await client(url);
  await expect(broker.dial(refused)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await expect(broker.dial({ ...open, host: '192.0.2.1' })).rejects.toMatchObject({
    code: 'ERR_TARGET_DENIED',
  });
  const limited = await client(url, {}, ['127.0.0.1:1']);
  await expect(limited.dial(open)).rejects.toMatchObject({ code: 'ERR_GRANT_DENIED' });
});

test('dials to a node share one link, which is closed when idle and opened again by the next', async () => {
  const broker = await runBroker();
  await runAgent(broker.url);
  const target = await listen(echo());
  const dialer = await client(broker.url, { idleLinkMs: 60 });
  const sessions = async (): Promise<number | undefined> => (await dialer.nodes())[0]?.instances[0]?.sessions;
  const sockets = await Promise.all([1, 2, 3, 4].map(() => dialer.dial(target)));
  expect(await sessions()).toBe(1);
  for (const socket of sockets) {
    socket.resume().end();
    await once(socket, 'close');
  }
  await until(async () => (await sessions()) === 0);
  const again = await dialer.dial(target);
  expect(await sessions()).toBe(1);
  again.destroy();
});

test('streams outlive the broker', async () => {
  const first = await runBroker();
  await runAgent(first.url);
  const target = await listen(echo());
  const dialer = await client(first.url);
  const socket = await dialer.dial({ ...target, allowHalfOpen: true });
  socket.write('before, ');
  await once(socket, 'data');
  await first.close();
  socket.write('between, ');
  await runBroker(first.address.port);
  socket.end('after');
  expect(await text(socket)).toBe('between, after');
});

test('while an agent drains its streams go on and new ones go to its successor', async () => {
  const { url } = await runBroker();
  const old = await runAgent(url, { instance: 'old' });
  const dialer = await client(url);
  const target = await listen(echo());
  const early = await dialer.dial({ ...target, allowHalfOpen: true });
  await runAgent(url, { instance: 'new' });
  const drained = old.drain(10_000);
  const late = await dialer.dial({ ...target, allowHalfOpen: true });
  early.end('old');
  late.end('new');
  expect(await text(early)).toBe('old');
  expect(await text(late)).toBe('new');
  await drained;
});

test('an agent that vanishes fails its streams after the resume window, and new dials soon', async () => {
  const broker = await runBroker();
  const path = await cuttablePath(broker.address.port);
  await runAgent(path.url);
  const target = await listen(createServer((socket) => socket.on('error', () => {})));
  const dialer = await client(broker.url, { resumeWindowMs: 300 });
  const socket = await dialer.dial(target);
  const failed = once(socket, 'error');
  path.cut();
  await until(async () => (await dialer.nodes()).length === 0);
  await expect(dialer.dial(target)).rejects.toMatchObject({ code: 'ERR_NODE_UNREACHABLE' });
  expect((await failed)[0]).toMatchObject({ code: 'ERR_RESUME_TIMEOUT' });
});

test('a reader that stalls stops only its own stream', async () => {
  const { url } = await runBroker();
  await runAgent(url);
  const flood = await listen(
    createServer((socket) => {
      const more = (): void => {
        while (socket.write(Buffer.alloc(65_536)));
      };
      socket.on('drain', more).on('error', () => {});
      more();
    }),
  );
  const other = await listen(echo());
  const broker = await client(url);
  const stalled = await broker.dial(flood);
  await once(stalled, 'readable');
  for (let round = 0; round < 5; round += 1) {
    const socket = await broker.dial({ ...other, allowHalfOpen: true });
    socket.end('x'.repeat(100_000));
    expect((await text(socket)).length).toBe(100_000);
  }
  // Only what its credit allowed came in: its first window and what the Readable took.
  expect(stalled.bytesRead).toBeLessThanOrEqual(262_144 + 3 * 65_536);
  stalled.destroy();
});

test('destroy with an error reaches the target as a broken connection', async () => {
  const { url } = await runBroker();
  await runAgent(url);
  const broken = new Promise((resolve) => {
    void listen(createServer((socket) => socket.on('error', resolve).on('close', resolve).resume())).then(
      async (target) => {
        const socket = await (await client(url)).dial(target);
        socket.on('error', () => {}).destroy(new Error('enough'));
      },
    );
  });
  await broken;
});

test('closing the client breaks what is open with ERR_ABORTED', async () => {
  const { url } = await runBroker();
  await runAgent(url);
  const dialer = await client(url);
  const socket = await dialer.dial(await listen(echo()));
  const failed = once(socket, 'error');
  await dialer.close();
  expect((await failed)[0]).toMatchObject({ code: 'ERR_ABORTED' });
});
