// What the simulated applications do: write a known pattern in pieces of any size, read at any pace, half-close
// or reset, and check every byte that arrives against its offset.

import type { FairleadError } from '../../src/protocol/errors.ts';
import { bulkPayloadBytes, headroomBytes } from '../../src/protocol/frame.ts';
import { takeSegment } from '../../src/protocol/segment-pool.ts';
import type { Stream, StreamHandler } from '../../src/protocol/stream.ts';
import type { Clock, Random } from './clock.ts';

const patternBytes = 65_521;
const pattern = new Uint8Array(patternBytes + 262_144);
for (let i = 0; i < patternBytes; i += 1) pattern[i] = (Math.imul(i, 2_654_435_761) >>> 13) & 0xff;
for (let i = patternBytes; i < pattern.length; i += 1) pattern[i] = pattern[i - patternBytes] as number;
/** Shorter writes have a buffer of their own size. */
const smallestPooledBytes = 8192;
const patternBuffer = Buffer.from(pattern.buffer);

function patternAt(key: number, offset: number): number {
  return (key * 7919 + offset) % patternBytes;
}

/** What one side of a stream is going to do. */
export interface Plan {
  /** Chooses the pattern: both directions of every stream differ. */
  readonly key: number;
  readonly bytes: number;
  readonly longestWrite: number;
  /** Pause between writes, in ms. */
  readonly paceMs: number;
  /** The reader stands still for so long after so many bytes. */
  readonly stallAfter: number;
  readonly stallMs: number;
  /** Resets after having written so many bytes; undefined: never. */
  readonly resetAfter: number | undefined;
  /** Waits with its own bytes until the peer has half-closed. */
  readonly replyAfterEnd: boolean;
}

export type Outcome = 'running' | 'clean' | 'reset-here' | 'failed';

/** One side of a stream: writer and checking reader. */
export class Side implements StreamHandler {
  outcome: Outcome = 'running';
  error: FairleadError | undefined;
  received = 0;
  written = 0;
  ended = false;
  private readonly clock: Clock;
  private readonly random: Random;
  private readonly plan: Plan;
  private readonly peerPlan: Plan;
  private readonly violate: (what: string) => void;
  private stream: Stream | undefined;
  private blocked = false;
  private scheduled = false;
  private stalledUntil = -1;
  private unread = 0;

  constructor(clock: Clock, random: Random, plan: Plan, peerPlan: Plan, violate: (what: string) => void) {
    this.clock = clock;
    this.random = random;
    this.plan = plan;
    this.peerPlan = peerPlan;
    this.violate = violate;
  }

  start(stream: Stream): void {
    this.stream = stream;
    this.read();
    if (!this.plan.replyAfterEnd || this.ended) this.writeSome();
  }

  private writeSome(): void {
    const stream = this.stream;
    if (stream === undefined || this.blocked || this.scheduled) return;
    while (this.outcome === 'running' && this.written < this.plan.bytes) {
      const length = Math.min(this.random.int(1, this.plan.longestWrite), this.plan.bytes - this.written);
      const more = this.write(stream, length);
      if (this.plan.resetAfter !== undefined && this.written >= this.plan.resetAfter) {
        this.outcome = 'reset-here';
        stream.reset('ERR_ABORTED', 'as planned');
        return;
      }
      if (!more) {
        this.blocked = true;
        return;
      }
      if (this.plan.paceMs > 0 && this.written < this.plan.bytes) {
        this.scheduled = true;
        this.clock.after(this.plan.paceMs, () => {
          this.scheduled = false;
          this.writeSome();
        });
        return;
      }
    }
    if (this.outcome === 'running') stream.end();
  }

  private write(stream: Stream, length: number): boolean {
    const from = patternAt(this.plan.key, this.written);
    this.written += length;
    if (length <= 65_536 && length % 2 === 0) {
      const isBulk = length > smallestPooledBytes && length <= bulkPayloadBytes;
      const segment = isBulk
        ? takeSegment().subarray(0, headroomBytes + length)
        : new Uint8Array(headroomBytes + length);
      segment.set(pattern.subarray(from, from + length), headroomBytes);
      return stream.writeSegment(segment, length);
    }
    return stream.write(pattern.subarray(from, from + length));
  }

  data(chunk: Uint8Array): void {
    if (this.outcome !== 'running' || this.ended)
      this.violate(`data after ${this.ended ? 'end' : this.outcome}`);
    const from = patternAt(this.peerPlan.key, this.received);
    const same = patternBuffer.compare(chunk, 0, chunk.length, from, from + chunk.length) === 0;
    if (!same) this.violate(`wrong bytes at offset ${this.received}`);
    this.received += chunk.length;
    this.unread += chunk.length;
    if (this.stalledUntil < 0 && this.received > this.plan.stallAfter && this.plan.stallMs > 0) {
      this.stalledUntil = this.clock.now + this.plan.stallMs;
      this.clock.at(this.stalledUntil, () => this.read());
    }
    this.read();
  }

  private read(): void {
    if (this.stream === undefined || this.clock.now < this.stalledUntil) return;
    const bytes = this.unread;
    this.unread = 0;
    this.stream.consumed(bytes);
  }

  end(): void {
    if (this.ended) this.violate('a second end');
    this.ended = true;
    if (this.received !== this.peerPlan.bytes) {
      this.violate(`end after ${this.received} of ${this.peerPlan.bytes} bytes`);
    }
    if (this.plan.replyAfterEnd) this.writeSome();
  }

  writable(): void {
    if (!this.blocked) this.violate('writable without having been blocked');
    this.blocked = false;
    this.writeSome();
  }

  closed(error: FairleadError | undefined): void {
    if (this.outcome !== 'running') this.violate(`closed although ${this.outcome}`);
    this.outcome = error === undefined ? 'clean' : 'failed';
    this.error = error;
    if (error === undefined && !this.ended) this.violate('a clean close before the end');
  }
}
