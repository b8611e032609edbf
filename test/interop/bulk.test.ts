import { createHash } from 'node:crypto';
import { expect, test } from 'vitest';
import { Network, Rig } from '../rig/rig.ts';
import { connectTo, listen, pattern, patternHash, readPattern, writePattern } from '../rig/targets.ts';

const bytes = 256 * 1024 * 1024;

test('256 MiB each way at once, with half-close, through forward', async () => {
  await using rig = new Rig();
  let received = -1;
  const target = await listen(rig, (socket) => {
    void readPattern(socket).then((count) => {
      received = count;
    });
    void writePattern(socket, bytes);
  });
  const network = await Network.start(rig);
  const socket = connectTo(await network.forward(target));
  const [count] = await Promise.all([readPattern(socket), writePattern(socket, bytes)]);
  expect(count).toBe(bytes);
  await expect.poll(() => received, { timeout: 60_000 }).toBe(bytes);
});

test('a reply that comes only after the request has ended is not lost', async () => {
  await using rig = new Rig();
  const target = await listen(rig, (socket) => {
    const hash = createHash('sha256');
    socket.on('data', (chunk) => hash.update(chunk));
    socket.on('end', () => socket.end(hash.digest('hex')));
  });
  const network = await Network.start(rig);
  const input = Buffer.alloc(bytes);
  for (let at = 0; at < bytes; at += pattern.length) pattern.copy(input, at);
  const dialled = await rig.run(
    rig.fairleadPath,
    ['dial', ...network.access(), 'edge-1', `127.0.0.1:${target}`],
    input,
  );
  expect(dialled.stderr).toBe('');
  expect(dialled.stdout.toString()).toBe(patternHash(bytes));
  expect(dialled.code).toBe(0);
});
