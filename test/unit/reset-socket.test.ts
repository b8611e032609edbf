import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { resetSocket } from '../../src/link/reset-socket.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** Both ends of a connection, half-open allowed. */
async function pair(path?: string): Promise<[near: Socket, far: Socket]> {
  const server: Server = createServer({ allowHalfOpen: true });
  await new Promise<void>((resolve) => server.listen(path ?? { port: 0, host: '127.0.0.1' }, resolve));
  const accepted = once(server, 'connection');
  const near = connect(
    path === undefined
      ? { port: (server.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true }
      : { path, allowHalfOpen: true },
  );
  const [far] = (await accepted) as [Socket];
  await (near.connecting ? once(near, 'connect') : undefined);
  undo.push(() => new Promise((resolve) => server.close(resolve)));
  undo.push(() => [near, far].map((socket) => socket.destroy()));
  far.on('error', () => {}).resume();
  near.on('error', () => {}).resume();
  return [near, far];
}

test.each<[string, (socket: Socket) => void]>([
  ['open', () => {}],
  ['just ended', (socket) => socket.end()],
  ['ended with a little still to go', (socket) => socket.end('a little')],
  ['ended with more than the kernel takes', (socket) => socket.end(Buffer.alloc(20_000_000))],
])('a socket that is %s is closed without an error, and the other end hears of it', async (_, prepare) => {
  const [near, far] = await pair();
  const heard = new Promise((resolve) => far.once('end', resolve).once('error', resolve));
  const closed = once(near, 'close');
  prepare(near);
  resetSocket(near);
  await closed;
  await heard;
});

test('an open connection ends as a reset, not as an end', async () => {
  const [near, far] = await pair();
  const error = once(far, 'error');
  resetSocket(near);
  expect((await error)[0]).toMatchObject({ code: 'ECONNRESET' });
});

test('a UNIX socket, which has no reset, just closes', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-reset-'));
  undo.push(() => rmSync(directory, { recursive: true }));
  const [near, far] = await pair(join(directory, 'socket'));
  const heard = once(far, 'end');
  const closed = once(near, 'close');
  resetSocket(near);
  await closed;
  await heard;
});

test('one that is destroyed is left alone', async () => {
  const [near] = await pair();
  near.destroy();
  resetSocket(near);
  await once(near, 'close');
});
