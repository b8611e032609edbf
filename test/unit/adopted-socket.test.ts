import { once } from 'node:events';
import { type AddressInfo, connect, createServer, Socket } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { adoptSocket } from '../../src/link/adopted-socket.ts';

const cleanups: (() => unknown)[] = [];
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup();
});

/** A client, and the socket that a server accepted from it, not read yet. */
async function pair() {
  const server = createServer({ allowHalfOpen: true, pauseOnConnect: true });
  cleanups.push(() => new Promise((resolve) => server.close(resolve)));
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const client = connect({
    port: (server.address() as AddressInfo).port,
    host: '127.0.0.1',
    allowHalfOpen: true,
  });
  const [[accepted]] = (await Promise.all([once(server, 'connection'), once(client, 'connect')])) as [
    [Socket],
    unknown,
  ];
  cleanups.push(() => client.destroy());
  return { server, client, accepted };
}

function adopt(accepted: Socket) {
  const room = Buffer.alloc(65_536);
  const seen: Buffer[] = [];
  const adopted = adoptSocket(accepted, {
    buffer: room,
    callback: (bytes) => {
      seen.push(Buffer.from(room.subarray(0, bytes)));
      return true;
    },
  });
  if (adopted === undefined) throw new Error('this Node has no handle to adopt');
  accepted.destroy();
  cleanups.push(() => adopted.destroy());
  adopted.resume();
  return { adopted, text: () => Buffer.concat(seen).toString() };
}

test('an accepted connection is read into the buffer that its adopter gives, and ends each way by itself', async () => {
  const { client, accepted } = await pair();
  const { adopted, text } = adopt(accepted);
  client.end('asked');
  await once(adopted, 'end');
  expect(text()).toBe('asked');
  const closed = Promise.all([once(adopted, 'close'), once(client, 'close')]);
  adopted.end('answered');
  const [answer] = (await once(client, 'data')) as [Buffer];
  expect(answer.toString()).toBe('answered');
  await closed;
});

test('a connection can still be reset', async () => {
  const { client, accepted } = await pair();
  const { adopted } = adopt(accepted);
  adopted.resetAndDestroy();
  const [error] = (await once(client, 'error')) as [NodeJS.ErrnoException];
  expect(error.code).toBe('ECONNRESET');
});

test('a socket without a handle that can be handed over stays as it is', async () => {
  expect(adoptSocket(new Socket(), { buffer: Buffer.alloc(1), callback: () => true })).toBeUndefined();
  const { client, accepted } = await pair();
  class Other extends Socket {}
  Object.setPrototypeOf(accepted, Other.prototype);
  expect(adoptSocket(accepted, { buffer: Buffer.alloc(1), callback: () => true })).toBeUndefined();
  client.end('still read');
  const [read] = (await once(accepted.resume(), 'data')) as [Buffer];
  expect(read.toString()).toBe('still read');
  accepted.destroy();
});
