// `emulator SEED LISTEN-A PEER-A LISTEN-B PEER-B`: packets come as datagrams from two ends and go to the other one as a path's
// conditions say, which come as JSON lines on stdin. Answers every line with its counts. In user space, because kernels
// are built without netem, and because its dice are thrown from a seed.

import { createSocket, type Socket } from 'node:dgram';
import { createInterface } from 'node:readline';
import { randomFrom } from '../random.ts';
import type { PathConditions, PathCounts } from './path-conditions.ts';

interface Address {
  readonly address: string;
  readonly port: number;
}

interface Waiting {
  readonly packet: Buffer;
  readonly atMs: number;
}

const [seed = '1', ...ends] = process.argv.slice(2);
const [listenA, peerA, listenB, peerB] = ends.map(parse);
const counts: { -readonly [Name in keyof PathCounts]: number } = {
  passed: 0,
  lost: 0,
  overflowed: 0,
  reordered: 0,
  swallowed: 0,
};
let conditions: PathConditions = { delayMs: 0 };
const random = randomFrom(Number(seed));

/** One direction. */
class Direction {
  private readonly out: Socket;
  private readonly to: Address;
  /** In the order of their times. */
  private queue: Waiting[] = [];
  private first = 0;
  /** Those that are held back, few and in no order. */
  private late: Waiting[] = [];
  /** When the last packet has passed the bottleneck. */
  private freeAtMs = 0;

  constructor(out: Socket, to: Address) {
    this.out = out;
    this.to = to;
  }

  take(packet: Buffer): void {
    const now = performance.now();
    const { delayMs, rate, queueMs = 100, loss = 0, reorder = 0, reorderMs = 5, isDark = false } = conditions;
    if (isDark) {
      counts.swallowed += 1;
      return;
    }
    if (loss > 0 && random() < loss) {
      counts.lost += 1;
      return;
    }
    let leavesMs = now;
    if (rate !== undefined) {
      const beginsMs = Math.max(now, this.freeAtMs);
      if (beginsMs - now > queueMs) {
        counts.overflowed += 1;
        return;
      }
      leavesMs = beginsMs + (packet.length * 8000) / rate;
      this.freeAtMs = leavesMs;
    }
    if (reorder > 0 && random() < reorder) {
      counts.reordered += 1;
      this.late.push({ packet, atMs: leavesMs + delayMs + reorderMs });
      return;
    }
    this.queue.push({ packet, atMs: leavesMs + delayMs });
  }

  /** Sends what is due. */
  release(now: number): void {
    for (
      let next = this.queue[this.first];
      next !== undefined && next.atMs <= now;
      next = this.queue[this.first]
    ) {
      this.send(next.packet);
      this.first += 1;
    }
    if (this.first > 1024 && this.first * 2 > this.queue.length) {
      this.queue = this.queue.slice(this.first);
      this.first = 0;
    }
    if (this.late.length === 0) return;
    for (const { packet } of this.late.filter(({ atMs }) => atMs <= now)) this.send(packet);
    this.late = this.late.filter(({ atMs }) => atMs > now);
  }

  private send(packet: Buffer): void {
    counts.passed += 1;
    this.out.send(packet, this.to.port, this.to.address);
  }
}

function parse(text: string): Address {
  const [address = '', port = ''] = text.split(':');
  return { address, port: Number(port) };
}

const options = { type: 'udp4', recvBufferSize: 8 << 20, sendBufferSize: 8 << 20 } as const;
const [socketA, socketB] = [createSocket(options), createSocket(options)];
if (listenA === undefined || peerA === undefined || listenB === undefined || peerB === undefined)
  throw new Error('emulator SEED LISTEN-A PEER-A LISTEN-B PEER-B');
const [toA, toB] = [new Direction(socketA, peerA), new Direction(socketB, peerB)];
socketA.on('message', (packet) => toB.take(packet));
socketB.on('message', (packet) => toA.take(packet));
// An end that is not there (any more) is silence, as on a wire.
for (const socket of [socketA, socketB]) socket.on('error', () => {});
setInterval(() => {
  const now = performance.now();
  toA.release(now);
  toB.release(now);
}, 1);
createInterface({ input: process.stdin }).on('line', (line) => {
  if (line !== '') conditions = JSON.parse(line) as PathConditions;
  process.stdout.write(`${JSON.stringify(counts)}\n`);
});
process.stdin.on('end', () => process.exit());
socketA.bind(listenA.port, listenA.address, () =>
  socketB.bind(listenB.port, listenB.address, () => process.stdout.write('ready\n')),
);
