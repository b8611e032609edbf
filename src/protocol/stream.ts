// One stream as its user sees it, and the state that the session keeps of it. The session alone touches
// the fields marked so; users call the methods.

import type { FairleadError, WireCode } from './errors.ts';
import type { RemoteAddress } from './open.ts';
import type { ReceiveHalf } from './receive-half.ts';
import type { SendHalf } from './send-half.ts';

/** What a stream tells its user. Called from within the session's own calls; must not throw. */
export interface StreamHandler {
  /** Dialer: the target's connection stands. Before any data. */
  accepted?(remote: RemoteAddress): void;
  /** Bytes, in order, exact; the user's to keep. Answer with {@link Stream.consumed} as they are taken. */
  data(chunk: Uint8Array): void;
  /** The peer has half-closed; all its bytes came before. */
  end(): void;
  /** Room again after `write` answered false. */
  writable(): void;
  /** Exactly once and last, but not after an own `reset`: undefined where both sides finished cleanly. */
  closed(error: FairleadError | undefined): void;
}

/**
 * - `opening`: dialer, not yet accepted
 * - `dialling`: agent, not yet accepted
 * - `open`: both ways, or half-closed one way
 * - `resetting`: this side gave up; kept until the peer has confirmed that it knows
 * - `closed`: of no concern to the session any more
 */
export type StreamState = 'opening' | 'dialling' | 'open' | 'resetting' | 'closed';

/** What moves bytes needs of a stream: of a {@link Stream}, or of one that is encrypted on its way. */
export interface ByteStream {
  handler: StreamHandler;
  /** Neither reset nor over. */
  readonly live: boolean;
  /** Copies `chunk`. False asks the writer to wait for {@link StreamHandler.writable}. */
  write(chunk: Uint8Array): boolean;
  /**
   * Writes without a copy: `bytes` has `headroomBytes` free and then `payloadBytes`, 1 to 65,536, of payload.
   * The stream owns it from now on. Answers as {@link write} does.
   */
  writeSegment(bytes: Uint8Array, payloadBytes: number): boolean;
  /** Half-close, after all that was written. */
  end(): void;
  /** Ends both ways at once; what was not delivered is lost. The handler hears nothing more. */
  reset(code: WireCode, reason: string): void;
  /** The reader has taken `bytes`: they become credit for the peer. */
  consumed(bytes: number): void;
}

/** One at the agent, for which a target is dialled. */
export interface TargetStream extends ByteStream {
  readonly id: number;
  /** The target's connection stands. */
  accept(remote: RemoteAddress): void;
}

/** What the session does for a stream; {@link Stream} adds nothing but its own identity. */
export interface StreamOwner {
  accept(stream: Stream, remote: RemoteAddress): void;
  written(stream: Stream): void;
  resetByUser(stream: Stream, code: WireCode, reason: string): void;
  consumed(stream: Stream, bytes: number): void;
  readonly highWaterBytes: number;
  /** False while what the process may hold is used up. */
  mayHold(bytes: number): boolean;
}

export class Stream implements TargetStream {
  readonly id: number;
  handler: StreamHandler;

  // The session's own from here on.
  state: StreamState;
  readonly send: SendHalf;
  readonly receive: ReceiveHalf;
  /** Frames that are due, as bits (`due` in outbound.ts). */
  due = 0;
  syncFlags = 0;
  /** Which queue of the session it stands in. */
  inControl = false;
  inData = false;
  inAcks = false;
  /** No data until the peer has said what it has: between a lost link and its SYNC. */
  held = false;
  /** Dialer: the agent is known to have the OPEN. */
  openKnown = false;
  /** `write` answered false and the user waits. */
  waiting = false;
  /** When the peer last moved this stream on, and how often it was asked since. */
  progressAtMs = 0;
  probes = 0;
  /** What the session has in its books of {@link bufferedBytes}. */
  bookedBytes = 0;
  rewoundTo = -1;
  rewoundAtMs = 0;
  /** OPEN, ACCEPT or RESET payload, kept for sending again. */
  announcement: Uint8Array;
  resetCode = 0;

  private readonly owner: StreamOwner;

  constructor(
    owner: StreamOwner,
    id: number,
    state: StreamState,
    handler: StreamHandler,
    send: SendHalf,
    receive: ReceiveHalf,
    announcement: Uint8Array,
  ) {
    this.owner = owner;
    this.id = id;
    this.state = state;
    this.handler = handler;
    this.send = send;
    this.receive = receive;
    this.announcement = announcement;
  }

  accept(remote: RemoteAddress): void {
    if (this.state === 'dialling') this.owner.accept(this, remote);
  }

  write(chunk: Uint8Array): boolean {
    if (!this.writableNow) return true;
    this.send.append(chunk);
    return this.pressure();
  }

  writeSegment(bytes: Uint8Array, payloadBytes: number): boolean {
    if (!this.writableNow) return true;
    this.send.appendSegment(bytes, payloadBytes);
    return this.pressure();
  }

  /** FIN after all that was written. */
  end(): void {
    if (!this.writableNow) return;
    this.send.finished = true;
    this.owner.written(this);
  }

  reset(code: WireCode, reason: string): void {
    if (!this.live) return;
    this.owner.resetByUser(this, code, reason);
  }

  consumed(bytes: number): void {
    if (bytes > 0 && this.live) this.owner.consumed(this, bytes);
  }

  get live(): boolean {
    return this.state !== 'resetting' && this.state !== 'closed';
  }

  /** Written and not yet acknowledged by the peer. */
  get bufferedBytes(): number {
    return this.send.end - Math.min(this.send.acked, this.send.end);
  }

  /** The receive window that the path has earned so far, in bytes. */
  get windowBytes(): number {
    return this.receive.windowBytes;
  }

  private get writableNow(): boolean {
    return !this.send.finished && this.live;
  }

  private pressure(): boolean {
    this.owner.written(this);
    const isRoom = this.owner.mayHold(0) || this.bufferedBytes === 0;
    if (isRoom && this.send.unsent < this.owner.highWaterBytes) return true;
    this.waiting = true;
    return false;
  }
}
