import { once } from 'node:events';
import { type AddressInfo, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';

test('a client that dials hundreds of nodes at once opens its links by turns, and none is forgotten', async () => {
  const held: Socket[] = [];
  let came = 0;
  let most = 0;
  let isSilent = true;
  const server = createServer((socket) => {
    came += 1;
    socket.on('error', () => {});
    if (!isSilent) {
      socket.destroy();
      return;
    }
    held.push(socket);
    most = Math.max(most, held.length);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as AddressInfo;
  const broker = connect({ url: `ws://127.0.0.1:${port}`, token: 'a.b.c', dialTimeoutMs: 5000 });
  const dials = Array.from({ length: 200 }, (_, i) =>
    broker.dial({ node: `n-${i}`, host: '127.0.0.1', port: 1 }).catch((error: Error) => error),
  );
  while (held.length < 64) await sleep(5);
  await sleep(50);
  expect(most).toBe(64);
  isSilent = false;
  for (const socket of held) socket.destroy();
  while (came < 200) await sleep(5);
  await broker.close();
  for (const outcome of await Promise.all(dials)) expect(outcome).toBeInstanceOf(Error);
  await new Promise((resolve) => server.close(resolve));
});
