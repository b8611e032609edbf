// Encrypted streams through a real broker and a real agent, all in this process: what a program that dials sees.

import { once } from 'node:events';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import { mintToken, startBroker } from '../../src/broker/index.ts';
import { connect } from '../../src/client/index.ts';
import { acquainted } from '../rig/identities.ts';
import { Rig } from '../rig/rig.ts';
import { listen, readPattern, writePattern } from '../rig/targets.ts';

const secret = 'a secret for tests that is long enough';

async function network(rig: Rig, more: { readonly spareStreams?: number } = {}) {
  const acquaintance = await acquainted();
  const atAgent = watched(acquaintance.agentSide);
  const atDialer = watched(acquaintance.dialerSide);
  const broker = await startBroker({ secret, port: 0, drainMs: 200 });
  rig.defer(() => broker.close());
  const { url } = broker;
  const agent = await startAgent({
    url,
    token: await mintToken({ secret, agent: 'edge-1' }),
    node: 'edge-1',
    allow: ['127.0.0.1:*'],
    e2e: atAgent.e2e,
  });
  rig.defer(() => agent.close());
  const client = connect({
    url,
    token: await mintToken({ secret, dial: ['*'] }),
    e2e: { ...atDialer.e2e, ...more },
  });
  rig.defer(() => client.close());
  return { agent, client, streamsHeld: () => [atAgent.streamsHeld(), atDialer.streamsHeld()] };
}

/** Lists that say how many streams were looked at again when they changed. */
function watched({ key, peers }: { key: string; peers: string }) {
  let asked = 0;
  const listeners = new Set<() => void>();
  return {
    e2e: {
      key,
      peers: () => {
        asked += 1;
        return peers;
      },
      onChange: (listener: () => void) => {
        listeners.add(listener);
        return () => listeners.delete(listener);
      },
    },
    streamsHeld(): number {
      const before = asked;
      for (const listener of listeners) listener();
      return asked - before;
    },
  };
}

test('the time that a dial took is told on an encrypted stream as on any', async () => {
  await using rig = new Rig();
  const { client } = await network(rig);
  const port = await listen(rig, (socket) => socket.end());
  const startedAtMs = performance.now();
  const socket = await client.dial({ node: 'edge-1', host: '127.0.0.1', port });
  const tookUs = (performance.now() - startedAtMs) * 1000;
  const { agentUs = -1, targetUs = -1 } = socket.dialTiming ?? {};
  expect(agentUs).toBeGreaterThanOrEqual(0);
  expect(targetUs).toBeGreaterThan(0);
  expect(agentUs + targetUs).toBeLessThan(tookUs);
  socket.destroy();
});

test('an encrypted stream carries bytes exactly, half-close both ways', async () => {
  await using rig = new Rig();
  const { client } = await network(rig);
  const bytes = 3_000_000;
  const port = await listen(rig, async (socket) => {
    await readPattern(socket);
    await writePattern(socket, bytes);
  });
  const socket = await client.dial({ node: 'edge-1', host: '127.0.0.1', port, allowHalfOpen: true });
  expect([socket.remoteAddress, socket.remotePort, socket.remoteFamily]).toEqual(['127.0.0.1', port, 'IPv4']);
  const [down] = await Promise.all([readPattern(socket), writePattern(socket, bytes)]);
  expect(down).toBe(bytes);
  await once(socket, 'close');
});

test('what is written while still connecting arrives', async () => {
  await using rig = new Rig();
  const { client } = await network(rig);
  const port = await listen(rig, (socket) => socket.pipe(socket));
  for (const word of ['first', 'second']) {
    const socket = client.dialStream({ node: 'edge-1', host: '127.0.0.1', port });
    socket.end(word);
    expect(await text(socket)).toBe(word);
  }
});

test('a reader that stalls stops only its own stream, and the target behind it', async () => {
  await using rig = new Rig();
  const { client } = await network(rig);
  let flooding: Socket | undefined;
  const flood = await listen(rig, (socket) => {
    flooding = socket;
    void writePattern(socket, 1 << 30);
  });
  const echo = await listen(rig, (socket) => socket.pipe(socket));
  const stalled = await client.dial({ node: 'edge-1', host: '127.0.0.1', port: flood });
  await once(stalled, 'readable');
  for (let round = 0; round < 5; round += 1) {
    const socket = client.dialStream({ node: 'edge-1', host: '127.0.0.1', port: echo, allowHalfOpen: true });
    socket.end('x'.repeat(300_000));
    expect((await text(socket)).length).toBe(300_000);
  }
  // What waits decrypted for a reader, and what a Readable takes ahead.
  expect(stalled.bytesRead).toBeLessThanOrEqual(4 * 65_536);
  const written = flooding?.bytesWritten;
  const socket = client.dialStream({ node: 'edge-1', host: '127.0.0.1', port: echo });
  socket.end('once more');
  expect(await text(socket)).toBe('once more');
  expect(flooding?.bytesWritten).toBe(written);
  stalled.destroy();
});

test('what was decrypted waits for its reader, even when the stream below has ended', async () => {
  await using rig = new Rig();
  const { agent, client, streamsHeld } = await network(rig, { spareStreams: 0 });
  // More than the reader's socket takes ahead, and less than what may wait before TLS is stopped as well.
  const bytes = 140_000;
  const source = await listen(rig, (socket) => void socket.resume().end('x'.repeat(bytes)));
  const socket = client.dialStream({ node: 'edge-1', host: '127.0.0.1', port: source, allowHalfOpen: true });
  socket.end('all of it, please');
  await once(socket, 'readable');
  await expect.poll(() => agent.streamCount).toBe(0);
  // Another stream's whole life, so that the dialer's side has seen the end as well.
  const other = client.dialStream({ node: 'edge-1', host: '127.0.0.1', port: source });
  other.end('and once more');
  expect((await text(other)).length).toBe(bytes);
  expect((await text(socket)).length).toBe(bytes);
  await expect.poll(streamsHeld).toEqual([0, 0]);
});

test('a change of lists concerns the streams that are open, and none that has ended in whatever way', async () => {
  await using rig = new Rig();
  const { agent, client, streamsHeld } = await network(rig, { spareStreams: 0 });
  const echo = await listen(rig, (socket) => socket.pipe(socket));
  const to = { node: 'edge-1', host: '127.0.0.1', port: echo };
  const open = await client.dial(to);
  expect(streamsHeld()).toEqual([1, 1]);
  for (let round = 0; round < 3; round += 1) {
    const clean = client.dialStream(to);
    clean.end('bye');
    expect(await text(clean)).toBe('bye');
    (await client.dial(to)).destroy();
    await expect(client.dial({ ...to, port: 1 })).rejects.toMatchObject({ code: 'ECONNREFUSED' });
    await expect(client.dial({ ...to, host: '192.0.2.1' })).rejects.toMatchObject({
      code: 'ERR_TARGET_DENIED',
    });
  }
  await expect.poll(streamsHeld).toEqual([1, 1]);
  open.destroy();
  await expect.poll(streamsHeld).toEqual([0, 0]);
  await expect.poll(() => agent.streamCount).toBe(0);
});
