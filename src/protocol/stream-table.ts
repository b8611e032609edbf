// The streams of one session, and the books of what they hold: beginnings, ends and the memory in between. It knows
// nothing of links and resyncs; session.ts does. Invariant: what is booked here is what the live streams hold.

import { Acknowledgements } from './acknowledgements.ts';
import { FairleadError, type WireCode, wireCodes } from './errors.ts';
import { type InboundEvents, StreamInbound } from './inbound.ts';
import { initialWindowBytes, maxReasonBytes, type SessionLimits } from './limits.ts';
import { encodeJson, encodeReason, type RemoteAddress } from './open.ts';
import { due, Outbound, type OutboundEvents } from './outbound.ts';
import { ReceiveHalf } from './receive-half.ts';
import { SendHalf } from './send-half.ts';
import type { Role, SessionHost } from './session-host.ts';
import { Stream, type StreamHandler, type StreamOwner } from './stream.ts';
import { Unsettled } from './unsettled.ts';

/** Path time that a reader may take for half a window, besides a round trip, before the window is large enough. */
const windowSlackMs = 2;

/** For streams that nobody listens to (any more). */
export const ignore: StreamHandler = { data() {}, end() {}, writable() {}, closed() {} };

export class StreamTable implements StreamOwner, OutboundEvents, InboundEvents {
  readonly highWaterBytes: number;
  readonly outbound: Outbound;
  readonly inbound: StreamInbound;
  readonly unsettledStreams: Unsettled;
  readonly acks: Acknowledgements;
  /** What receive windows have grown beyond their first size. */
  growthBytes = 0;

  private readonly host: SessionHost;
  private readonly limits: SessionLimits;
  private readonly streams = new Map<number, Stream>();
  /** Written and not acknowledged, over all streams. */
  private unacknowledgedBytes = 0;

  constructor(role: Role, session: bigint, host: SessionHost, limits: SessionLimits) {
    this.host = host;
    this.limits = limits;
    this.highWaterBytes = limits.highWaterBytes;
    this.outbound = new Outbound(session, this.highWaterBytes, this);
    this.unsettledStreams = new Unsettled(this.outbound);
    this.acks = new Acknowledgements((stream) => this.outbound.owe(stream, due.credit));
    this.inbound = new StreamInbound(role, this.outbound, this.unsettledStreams, limits, this);
  }

  // ── who is there ─────────────────────────────────────────────────────────────────────────────────

  get size(): number {
    return this.streams.size;
  }

  get(id: number): Stream | undefined {
    return this.streams.get(id);
  }

  values(): MapIterator<Stream> {
    return this.streams.values();
  }

  add(id: number, state: 'opening' | 'dialling', handler: StreamHandler, announcement: Uint8Array): Stream {
    const send = new SendHalf(initialWindowBytes);
    const receive = new ReceiveHalf(initialWindowBytes, this.host.now());
    const stream = new Stream(this, id, state, handler, send, receive, announcement);
    stream.openKnown = state === 'dialling';
    this.streams.set(id, stream);
    return stream;
  }

  /** Lets go what the stream holds. */
  private release(stream: Stream): void {
    const half = stream.receive;
    this.outbound.drop(stream);
    this.book(stream);
    this.inbound.hold(-half.buffered);
    half.consumed += half.buffered;
    this.growthBytes -= half.grownBytes;
    half.windowBytes = initialWindowBytes;
  }

  /** Forgets the stream. Its handler is the caller's to tell. */
  remove(stream: Stream): void {
    if (stream.state === 'closed') return;
    if (stream.state !== 'resetting') this.release(stream);
    stream.state = 'closed';
    stream.due = 0;
    this.streams.delete(stream.id);
    this.unsettledStreams.delete(stream);
    // What others held back for this stream's share of the path may go now.
    this.host.outputReady();
  }

  // ── for Stream, Outbound and StreamInbound ───────────────────────────────────────────────────────

  now(): number {
    return this.host.now();
  }

  outputReady(): void {
    this.host.outputReady();
  }

  retired(bytes: Uint8Array): void {
    this.host.retired?.(bytes);
  }

  ponged(rttMs: number): void {
    this.host.ponged?.(rttMs);
  }

  unsettled(stream: Stream): void {
    const before = this.unsettledStreams.dueAtMs;
    this.unsettledStreams.add(stream, this.host.now());
    if (this.unsettledStreams.dueAtMs !== before) this.host.wakeAt(this.unsettledStreams.dueAtMs);
  }

  accept(stream: Stream, remote: RemoteAddress): void {
    stream.state = 'open';
    stream.announcement = encodeJson(remote);
    this.outbound.owe(stream, due.accept);
  }

  /** The user wrote, or frames went out: what can go is queued, what is done is forgotten. */
  written(stream: Stream): void {
    this.outbound.schedule(stream);
    this.endIfDone(stream);
  }

  resetByUser(stream: Stream, code: WireCode, reason: string): void {
    this.release(stream);
    stream.state = 'resetting';
    stream.handler = ignore;
    stream.resetCode = wireCodes[code];
    stream.announcement = encodeReason(reason, maxReasonBytes);
    stream.due = 0;
    stream.held = false;
    this.outbound.owe(stream, due.reset);
    this.unsettled(stream);
  }

  /** The peer broke a rule on this stream: it alone ends, and both ends are told. */
  refuse(stream: Stream, code: WireCode, reason: string): void {
    const { handler } = stream;
    this.resetByUser(stream, code, reason);
    handler.closed(new FairleadError(code, reason));
  }

  /** Bytes came in order; the peer is told in good time. */
  oweAcknowledgement(stream: Stream, bytes: number): void {
    this.acks.owe(stream, bytes, this.outbound.converses, this.host.now());
  }

  consumed(stream: Stream, bytes: number): void {
    const half = stream.receive;
    const taken = Math.min(bytes, half.buffered);
    this.inbound.hold(-taken);
    const pathMs = (this.outbound.window.minRttMs ?? 0) + windowSlackMs;
    const pool = this.limits.maxGrowthBytes - this.growthBytes;
    this.growthBytes += half.consume(taken, this.host.now(), pathMs, this.limits.maxStreamWindowBytes, pool);
    if (half.creditDue && !half.ended) this.outbound.owe(stream, due.credit);
  }

  mayHold(bytes: number): boolean {
    const { memory } = this.limits;
    return (
      memory === undefined || memory.allows(this.inbound.bufferedBytes + this.unacknowledgedBytes, bytes)
    );
  }

  /** Takes note of what the stream keeps for sending, for the first time or again. */
  private book(stream: Stream): void {
    const bytes = stream.bufferedBytes;
    if (bytes === stream.bookedBytes) return;
    const more = bytes - stream.bookedBytes;
    stream.bookedBytes = bytes;
    this.unacknowledgedBytes += more;
    if (this.limits.memory !== undefined) this.limits.memory.heldBytes += more;
  }

  /** Both sides have finished and both know it: forget the stream, once its last frame was pulled. */
  endIfDone(stream: Stream): void {
    this.book(stream);
    const half = stream.send;
    if (stream.state !== 'open' || !stream.receive.ended || !half.finished) return;
    if (half.acked !== half.total || stream.due !== 0) return;
    this.remove(stream);
    stream.handler.closed(undefined);
  }
}
