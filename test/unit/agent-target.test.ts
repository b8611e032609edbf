import { once } from 'node:events';
import { createServer, type Server } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { AllowList } from '../../src/agent/allow.ts';
import { dialTarget, type Resolve } from '../../src/agent/target.ts';
import { SpliceReader } from '../../src/link/splice.ts';

let server: Server;
let port: number;

beforeAll(async () => {
  server = createServer((socket) => socket.end()).listen(0, '127.0.0.1');
  await new Promise((resolve) => server.once('listening', resolve));
  port = (server.address() as { port: number }).port;
});
afterAll(() => server.close());

function dial(
  host: string,
  toPort: number,
  options: {
    allow?: string[];
    grants?: string[];
    resolve?: Resolve;
    timeoutMs?: number;
    signal?: AbortSignal;
  } = {},
) {
  const policy = {
    node: 'edge-1',
    allow: new AllowList(options.allow ?? ['*:*']),
    grants: options.grants === undefined ? undefined : new AllowList(options.grants),
  };
  return dialTarget(
    { host, port: toPort },
    policy,
    options.timeoutMs ?? 5000,
    new SpliceReader().onread,
    options.signal ?? new AbortController().signal,
    options.resolve,
  );
}

test('a target that listens is connected', async () => {
  const socket = await dial('127.0.0.1', port);
  expect(socket.remotePort).toBe(port);
  socket.destroy();
});

test('each way to fail has its code', async () => {
  const never: Resolve = () => new Promise(() => {});
  const closed = createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => closed.once('listening', resolve));
  const closedPort = (closed.address() as { port: number }).port;
  await new Promise((resolve) => closed.close(resolve));
  await expect(dial('127.0.0.1', closedPort)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await expect(dial('no-such-host.invalid', 1)).rejects.toMatchObject({ code: 'ENOTFOUND' });
  await expect(dial('x', 1, { resolve: async () => [] })).rejects.toMatchObject({ code: 'ENOTFOUND' });
  await expect(dial('127.0.0.1', port, { allow: ['10.0.0.1:1'] })).rejects.toMatchObject({
    code: 'ERR_TARGET_DENIED',
  });
  await expect(dial('127.0.0.1', port, { grants: ['10.0.0.1:1'] })).rejects.toMatchObject({
    code: 'ERR_GRANT_DENIED',
  });
  await expect(dial('slow.example', 1, { resolve: never, timeoutMs: 20 })).rejects.toMatchObject({
    code: 'ETIMEDOUT',
  });
});

test('a caller that gives up stops the dial, whatever it waits for', async () => {
  const controller = new AbortController();
  const dialled = dial('slow.example', 1, {
    resolve: () => new Promise(() => {}),
    signal: controller.signal,
  });
  controller.abort();
  await expect(dialled).rejects.toMatchObject({ code: 'ERR_ABORTED' });
});

test('the address that was checked is the address that is dialled', async () => {
  let asked = 0;
  // A name that answers with an allowed address once, and with a forbidden one ever after.
  const rebinding: Resolve = async () => {
    asked += 1;
    return [asked === 1 ? '127.0.0.1' : '169.254.169.254'];
  };
  const socket = await dial('rebind.example', port, { allow: ['rebind.example:*'], resolve: rebinding });
  expect(socket.remoteAddress).toBe('127.0.0.1');
  expect(asked).toBe(1);
  socket.destroy();
});

test('of several addresses only the allowed ones are tried, in order', async () => {
  const resolve: Resolve = async () => ['169.254.169.254', '127.0.0.1'];
  const socket = await dial('many.example', port, { allow: ['many.example:*'], resolve });
  expect(socket.remoteAddress).toBe('127.0.0.1');
  socket.destroy();
  await expect(
    dial('meta.example', 80, { allow: ['*:80'], resolve: async () => ['169.254.169.254'] }),
  ).rejects.toMatchObject({ code: 'ERR_TARGET_DENIED' });
});

test("the node's own name is the node itself, whatever DNS says, under rules that name it or its address", async () => {
  const asked: string[] = [];
  const elsewhere: Resolve = async (host) => {
    asked.push(host);
    return ['192.0.2.1'];
  };
  for (const [host, rule] of [
    ['edge-1', 'edge-1:*'],
    ['EDGE-1.', '127.0.0.1:*'],
    ['edge-1', '*:*'],
  ] as const) {
    const socket = await dial(host, port, { allow: [rule], grants: [rule], resolve: elsewhere });
    expect(socket.remoteAddress).toBe('127.0.0.1');
    socket.destroy();
  }
  expect(asked).toEqual([]);
  await expect(dial('edge-1', port, { allow: ['edge-1:1'] })).rejects.toMatchObject({
    code: 'ERR_TARGET_DENIED',
  });
  await expect(dial('edge-1', port, { allow: ['edge-2:*', '192.0.2.0/24:*'] })).rejects.toMatchObject({
    code: 'ERR_TARGET_DENIED',
  });
  await expect(dial('edge-1', port, { grants: ['10.0.0.0/8:*'] })).rejects.toMatchObject({
    code: 'ERR_GRANT_DENIED',
  });
});

/** A server on ::1 whose port nobody has on 127.0.0.1: other tests take ports there all the time. */
async function listenOnSecondOnly(): Promise<{ second: Server; secondPort: number }> {
  for (;;) {
    const second = createServer((socket) => socket.end()).listen(0, '::1');
    await once(second, 'listening');
    const secondPort = (second.address() as { port: number }).port;
    const first = createServer().listen(secondPort, '127.0.0.1');
    const isFree = await once(first, 'listening').then(
      () => true,
      () => false,
    );
    first.close();
    if (isFree) return { second, secondPort };
    second.close();
  }
}

test('a node that has no answer on 127.0.0.1 is asked on ::1, and the refusal of either is told', async () => {
  const { second, secondPort } = await listenOnSecondOnly();
  const socket = await dial('edge-1', secondPort);
  expect(socket.remoteAddress).toBe('::1');
  socket.destroy();
  await new Promise((resolve) => second.close(resolve));
  await expect(dial('edge-1', secondPort)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
});
