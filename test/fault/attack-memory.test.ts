// Readers that stand still, by the hundred, each with all the credit it can give: broker and agent keep within their
// caps, and those who read are served.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { decodeControl, encodeControl } from '../../src/protocol/control.ts';
import { formatSession, readSession } from '../../src/protocol/envelope.ts';
import { frameTypes } from '../../src/protocol/frame.ts';
import { maxCreditBytes } from '../../src/protocol/limits.ts';
import { frame, message, RawPeer } from '../refusals/raw-peer.ts';
import { type Figures, figuresOf } from '../rig/prometheus.ts';
import { Network, type Program, Rig } from '../rig/rig.ts';
import { listen, writePattern } from '../rig/targets.ts';

const mebibyte = 1024 * 1024;
const cap = 64 * mebibyte;
const readers = 200;
const firstSession = 0x1000n;

/** The most memory that the process has had so far, in bytes (proc(5), VmHWM). */
function peakOf({ child }: Program): number {
  const status = readFileSync(`/proc/${child.pid}/status`, 'utf8');
  return Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1] ?? 0) * 1024;
}

const flag = '--max-buffered-bytes';
/** What a process needs besides: heap, and buffers that were let go and not yet collected. */
const besides = 128 * mebibyte;
const mib = (bytes: number) => `${Math.round(bytes / mebibyte)} MiB`;

/** Dialers with one stream each, all the credit that there is, and no wish to read. */
async function stalledReaders(network: Network, node: string, target: number): Promise<void> {
  const { rig, url } = network;
  const token = await rig.token('--dial', 'edge-*', '--subject', 'mallory');
  const payload = JSON.stringify({ host: '127.0.0.1', port: target });
  const open = { type: frameTypes.OPEN, stream: 1, argument: maxCreditBytes, payload };
  for (let n = 0; n < readers; n += 1) {
    const session = firstSession + BigInt(n);
    const peer = await RawPeer.join(url, `/v1/dial?node=${node}&session=${formatSession(session)}`, token);
    rig.defer(() => peer.end());
    peer.send(message(session, frame({ type: frameTypes.SYNC }), frame(open)));
    peer.socket.pause();
    // Slowly enough for the limit of connections in a second.
    if (n % 20 === 19) await sleep(100);
  }
}

interface Memory {
  /** The most that waited for readers, as the process itself counts. */
  readonly buffered: number;
  /** How much its resident memory grew at most. */
  readonly grown: number;
  readonly figures: Figures;
}

/** What becomes of `victim` in an attack, while a neighbour's stream is served all along. */
async function during(
  network: Network,
  victim: Program,
  port: number,
  attack: () => Promise<void>,
): Promise<Memory> {
  const echo = await listen(network.rig, (socket) => socket.pipe(socket));
  await using client = connect({ url: network.url, token: network.dialToken });
  const socket = await client.dial({ node: 'edge-1', host: '127.0.0.1', port: echo });
  const before = peakOf(victim);
  let isOver = false;
  const attacked = attack().finally(() => {
    isOver = true;
  });
  let buffered = 0;
  let figures: Figures = new Map();
  while (!isOver) {
    socket.write('still here');
    expect(String((await once(socket, 'data'))[0])).toBe('still here');
    figures = await figuresOf(port);
    buffered = Math.max(buffered, figures.get('fairlead_buffered_bytes') ?? 0);
    await sleep(20);
  }
  await attacked;
  socket.destroy();
  return { buffered, grown: peakOf(victim) - before, figures };
}

test('200 stalled readers: an agent holds no more than its cap, and serves a neighbour', async () => {
  await using rig = new Rig();
  const network = await Network.start(rig, '127.0.0.1:*', [flag, '64MiB', '--metrics', '127.0.0.1:0']);
  const [port = 0] = await network.agent.ports();
  const pouring = await listen(rig, (socket) => void writePattern(socket, 1024 * mebibyte));
  const { buffered, grown } = await during(network, network.agent, port, async () => {
    await stalledReaders(network, 'edge-1', pouring);
    await sleep(1000);
  });
  console.log(
    `${readers} stalled readers, a cap of ${mib(cap)} at the agent: held ${mib(buffered)}, grew by ${mib(grown)}`,
  );
  // They did ask for more than that.
  expect(buffered).toBeGreaterThan(cap / 2);
  expect(buffered).toBeLessThanOrEqual(cap);
  expect(grown).toBeLessThan(cap + besides);
});

/** Sessions that are poured at: the kernel takes some megabytes for each before anything waits in the broker. */
const pouredAt = 20;

/** An agent that sends as fast as it goes, whatever anybody has acknowledged. */
async function pour(agent: RawPeer, bytes: number): Promise<void> {
  const messages = Array.from({ length: pouredAt }, (_, n) =>
    message(
      firstSession + BigInt(n),
      frame({ type: frameTypes.DATA, stream: 1, payload: Buffer.alloc(65_536) }),
    ),
  );
  for (let sent = 0, n = 0; sent < bytes; n += 1) {
    const next = messages[n % pouredAt] as Buffer;
    agent.send(next);
    sent += next.length;
    while (agent.socket.bufferedAmount > mebibyte) await sleep(1);
  }
}

test('200 stalled readers and an agent that pours: the broker queues no more than its cap, and cuts the slowest', async () => {
  await using rig = new Rig();
  const network = await Network.start(rig, '127.0.0.1:*', [], [flag, '64MiB']);
  const token = await rig.token('--agent', 'edge-evil');
  const agent = await RawPeer.join(network.url, '/v1/agent?node=edge-evil&instance=a', token);
  rig.defer(() => agent.end());
  agent.socket.on('message', (data: Buffer) => {
    if (readSession(data) !== 0n) return;
    for (const { type, session } of decodeControl(data))
      if (type === frameTypes.ATTACH) agent.send(encodeControl(frameTypes.ATTACH, session));
  });
  const { buffered, grown, figures } = await during(network, network.broker, network.port, async () => {
    await stalledReaders(network, 'edge-evil', 9);
    await pour(agent, 384 * mebibyte);
  });
  const cut = figures.get('fairlead_links_closed_total{code="4413"}') ?? 0;
  console.log(
    `${readers} stalled readers, a cap of ${mib(cap)} at the broker: queued ${mib(buffered)}, ` +
      `grew by ${mib(grown)}, cut ${cut} links`,
  );
  expect(cut).toBeGreaterThan(0);
  expect(buffered).toBeGreaterThan(cap / 4);
  expect(buffered).toBeLessThanOrEqual(cap);
  // What waits keeps at most so many times its size: src/link/unpinned.ts.
  expect(grown).toBeLessThan(2.5 * cap + besides);
});
