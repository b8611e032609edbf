// What one session has to send, and whose turn it is. Nothing is queued as frames: what is due stands as bits
// on each stream and is written when pulled, so a peer can make this side work but never remember.
// Control and short writes share small messages and go first; bulk gets at least every other message.

import { Conversation, shortBytes } from './conversation.ts';
import { type WireCode, wireCodes } from './errors.ts';
import { Fifo } from './fifo.ts';
import { frameTypes, headroomBytes } from './frame.ts';
import { maxReasonBytes } from './limits.ts';
import { MessageWriter } from './message-writer.ts';
import { encodeReason } from './open.ts';
import { PathWindow } from './path-window.ts';
import { Pings } from './pings.ts';
import { takeMessageBuffer } from './segment-pool.ts';
import type { Stream } from './stream.ts';

/** What the broker said that a link carries (HELLO, BUDGET). */
export interface PathLimits {
  readonly maxMessageBytes: number;
  readonly inFlightBytes: number;
  readonly messagesAreDear: boolean;
  /** Default `messagesAreDear`. */
  readonly packBulk?: boolean | undefined;
}

/** Frames due on a stream, as bits of `Stream.due`. */
export const due = { open: 1, accept: 2, credit: 4, reset: 8, sync: 16 } as const;

/** Flags in SYNC's last byte. */
export const syncFlags = { ask: 1, resend: 2 } as const;

/** RESETs owed for streams that are gone; more are dropped, for the peer will ask again. */
const maxAnswers = 1024;

const nothing = new Uint8Array();

export interface OutboundEvents {
  now(): number;
  /** There is something to pull. */
  outputReady(): void;
  /** The stream has sent what needs an answer, or needs credit. */
  unsettled(stream: Stream): void;
  /** The session refers to this buffer no longer; messages made of it may still be queued in the link. */
  retired(bytes: Uint8Array): void;
  /** Frames of the stream were written that it may have been waiting for to end. */
  written(stream: Stream): void;
  /** The peer answered the last PING. */
  ponged(rttMs: number): void;
  /** False while what the process may hold is used up. */
  mayHold(bytes: number): boolean;
}

export class Outbound {
  path: PathLimits = { maxMessageBytes: 65_536 + 64, inFlightBytes: 65_536, messagesAreDear: false };
  readonly window = new PathWindow();
  readonly conversation: Conversation;
  readonly pings: Pings;
  /** Sent and not acknowledged, over all streams. */
  inFlightBytes = 0;
  resentBytes = 0;

  private readonly events: OutboundEvents;
  private readonly retire = (bytes: Uint8Array): void => this.events.retired(bytes);
  private readonly session: bigint;
  private readonly writer: MessageWriter;
  /** The buffer of the message that was pulled last, where it is to be used again: by now the link has it. */
  private packed: Uint8Array | undefined;
  private readonly highWaterBytes: number;

  private readonly control = new Fifo<Stream>();
  private readonly shorts = new Fifo<Stream>();
  private readonly bulk = new Fifo<Stream>();
  private bulkTurn = false;
  /** Stream id → code of the RESET owed: 0 confirms one, others refuse. */
  private readonly answers = new Map<number, number>();

  /** Argument of the SYNC on stream 0 that is due, or −1. */
  private syncDue = -1;
  private goAwayDue = false;
  private goAwayCode: WireCode = 'ERR_PROTOCOL';
  private goAwayReason = '';

  constructor(session: bigint, highWaterBytes: number, events: OutboundEvents) {
    this.session = session;
    this.highWaterBytes = highWaterBytes;
    this.events = events;
    this.writer = new MessageWriter(session);
    this.conversation = new Conversation(() => events.now());
    this.pings = new Pings(this.window, events);
  }

  /** Messages go over another link from now on. What the former one still holds must not be written over. */
  forgetLink(): void {
    this.packed = undefined;
  }

  get empty(): boolean {
    return this.control.length === 0 && this.answers.size === 0 && !this.goAwayDue;
  }

  // ── what is due ──────────────────────────────────────────────────────────────────────────────────

  owe(stream: Stream, bits: number): void {
    stream.due |= bits;
    if (!stream.inControl) {
      stream.inControl = true;
      this.control.push(stream);
    }
    this.events.outputReady();
  }

  oweSync(stream: Stream, flags: number): void {
    stream.syncFlags |= flags;
    this.owe(stream, due.sync);
  }

  oweSessionSync(argument: 0 | 1): void {
    this.syncDue = argument;
    this.events.outputReady();
  }

  oweGoAway(code: WireCode, reason: string): void {
    this.goAwayCode = code;
    this.goAwayReason = reason;
    this.goAwayDue = true;
    this.events.outputReady();
  }

  /** A RESET for an id that has no stream any more. */
  answer(id: number, code: number): void {
    if (this.answers.size >= maxAnswers && !this.answers.has(id)) return;
    this.answers.set(id, code);
    this.events.outputReady();
  }

  forgetAnswers(): void {
    this.answers.clear();
  }

  /** Queues the stream's data, if it has any that may go now. */
  schedule(stream: Stream): void {
    if (stream.inData || !maySend(stream)) return;
    const half = stream.send;
    if (half.cursor < half.end) {
      if (half.sendable() === 0) {
        // Out of credit: a CREDIT that was lost must be asked for.
        this.events.unsettled(stream);
        return;
      }
    } else if (!half.finDue) {
      return;
    }
    stream.inData = true;
    if (half.unsent <= shortBytes) this.shorts.push(stream);
    else this.bulk.push(stream);
    this.events.outputReady();
  }

  /** Tells a writer that waits, once there is room. */
  relieve(stream: Stream): void {
    if (!stream.waiting || stream.send.unsent >= this.highWaterBytes / 2) return;
    // Where memory is short, one read at a time: the next once the peer has all of the last.
    if (this.events.mayHold(0) || stream.bufferedBytes === 0) {
      stream.waiting = false;
      stream.handler.writable();
    }
  }

  /** Few bytes of the stream go out or have come. */
  converse(stream: Stream): void {
    const isFirst = this.conversation.speak(stream);
    // What bulk beside it may have in flight goes by the round trip, which may have been measured while all was busy.
    if (isFirst && this.converses && this.inFlightBytes > shortBytes) this.pings.measureRoundTrip();
  }

  // ── books of what is in flight ───────────────────────────────────────────────────────────────────

  /** The peer has everything below `offset`. Answers whether that was news. */
  acknowledged(stream: Stream, offset: number): boolean {
    const half = stream.send;
    const before = half.acked;
    const inFlight = half.inFlight;
    if (!half.acknowledge(offset, this.retire)) return false;
    this.inFlightBytes += half.inFlight - inFlight;
    this.window.acknowledged(offset - before, this.inFlightBytes, this.windowBytes, this.events.now());
    this.events.outputReady();
    return true;
  }

  /** Sends again from `offset`. */
  rewind(stream: Stream, offset: number): void {
    const before = stream.send.inFlight;
    stream.send.seek(offset);
    this.inFlightBytes += stream.send.inFlight - before;
    this.window.forgetRound();
  }

  /** The stream's bytes need no sending any more. */
  drop(stream: Stream): void {
    this.inFlightBytes -= stream.send.inFlight;
    stream.send.drop();
    this.window.forgetRound();
  }

  // ── messages ─────────────────────────────────────────────────────────────────────────────────────

  /** The last message of a session that has ended. */
  pullGoAway(): Uint8Array | undefined {
    this.writer.beginSmall(this.path.maxMessageBytes);
    this.writeGoAway();
    return this.writer.finish();
  }

  pull(): Uint8Array | undefined {
    if (this.packed !== undefined) {
      this.retire(this.packed);
      this.packed = undefined;
    }
    if (!(this.bulkTurn && this.bulkReady())) {
      const message = this.pullSmall();
      if (message !== undefined) {
        this.bulkTurn = true;
        return message;
      }
    }
    this.bulkTurn = false;
    return this.pullBulk() ?? this.pullSmall();
  }

  private bulkReady(): boolean {
    return this.bulk.length > 0 && this.pathHasRoom;
  }

  private get pathHasRoom(): boolean {
    return this.inFlightBytes < Math.min(this.windowBytes, this.path.inFlightBytes);
  }

  private get windowBytes(): number {
    return this.converses ? Math.min(this.window.shallowBytes, this.window.bytes) : this.window.bytes;
  }

  /** Somebody waits for answers, and what that costs in messages is not dear. */
  get converses(): boolean {
    return !this.path.messagesAreDear && this.conversation.isOn;
  }

  private pullSmall(): Uint8Array | undefined {
    this.writer.beginSmall(this.path.maxMessageBytes);
    this.writeSessionFrames();
    this.writeAnswers();
    this.writeControl();
    this.writeShorts();
    return this.writer.finish();
  }

  private writeSessionFrames(): void {
    const { writer } = this;
    if (this.syncDue >= 0) {
      writer.frame(frameTypes.SYNC, 0, this.syncDue, nothing);
      this.syncDue = -1;
    }
    if (this.goAwayDue) this.writeGoAway();
    this.pings.write(writer);
  }

  private writeGoAway(): void {
    this.goAwayDue = false;
    const reason = encodeReason(this.goAwayReason, maxReasonBytes);
    this.writer.frame(frameTypes.GOAWAY, 0, wireCodes[this.goAwayCode], reason);
  }

  private writeAnswers(): void {
    for (const [id, code] of this.answers) {
      if (!this.writer.fits(0)) return;
      this.answers.delete(id);
      this.writer.frame(frameTypes.RESET, id, code, nothing);
    }
  }

  private writeControl(): void {
    for (let stream = this.control.peek(); stream !== undefined; stream = this.control.peek()) {
      if (!this.writeDue(stream)) return;
      this.control.shift();
      stream.inControl = false;
      this.schedule(stream);
      this.events.written(stream);
    }
  }

  /** Writes every frame that the stream owes; false where the message has no room for them. */
  private writeDue(stream: Stream): boolean {
    const { writer } = this;
    if (!writer.fits(stream.announcement.length + 128)) return false;
    const bits = stream.due;
    stream.due = 0;
    if (bits & due.open)
      writer.frame(frameTypes.OPEN, stream.id, stream.receive.grant(), stream.announcement);
    if (bits & due.accept)
      writer.frame(frameTypes.ACCEPT, stream.id, stream.receive.grant(), stream.announcement);
    if (bits & due.reset) writer.frame(frameTypes.RESET, stream.id, stream.resetCode, stream.announcement);
    if (bits & due.sync) {
      writer.sync(stream, stream.syncFlags);
      stream.syncFlags = 0;
    } else if (bits & due.credit) {
      writer.credit(stream);
    }
    return true;
  }

  /** Short writes do not wait for the measured window, only for the broker's budget. */
  private writeShorts(): void {
    for (let left = this.shorts.length; left > 0 && this.inFlightBytes < this.path.inFlightBytes; left -= 1) {
      const stream = this.shorts.peek();
      if (stream === undefined || !this.writer.fits(shortBytes)) return;
      this.shorts.shift();
      stream.inData = false;
      const bytes = sendableBytes(stream);
      if (bytes <= shortBytes) {
        if (bytes > 0) {
          this.converse(stream);
          this.noteSent(stream, bytes);
          this.writer.data(stream, bytes);
        }
        if (maySend(stream) && stream.send.finDue) this.writeFin(stream);
      }
      this.schedule(stream);
      this.relieve(stream);
    }
  }

  private pullBulk(): Uint8Array | undefined {
    if (this.path.packBulk ?? this.path.messagesAreDear) return this.packBulk();
    for (let left = this.bulk.length; left > 0 && this.bulkReady(); left -= 1) {
      const stream = this.bulk.shift();
      if (stream === undefined) return undefined;
      stream.inData = false;
      const bytes = this.bulkBytes(stream);
      let message: Uint8Array | undefined;
      if (bytes > 0) {
        this.conversation.carriesBulk(stream);
        this.pings.bulkGoes();
        this.noteSent(stream, bytes);
        message = stream.send.takeMessage(this.session, stream.id, bytes);
      }
      this.schedule(stream);
      this.relieve(stream);
      if (message !== undefined) return message;
    }
    return undefined;
  }

  /** Where each message costs much: as many frames as one may hold, at the price of a copy. */
  private packBulk(): Uint8Array | undefined {
    if (!this.bulkReady()) return undefined;
    const { writer } = this;
    this.packed = takeMessageBuffer(this.path.maxMessageBytes);
    writer.beginIn(this.packed);
    let idle = 0;
    while (idle < this.bulk.length && this.bulkReady()) {
      const stream = this.bulk.peek();
      if (stream === undefined) break;
      const bytes = this.bulkBytes(stream);
      if (!writer.fits(bytes)) break;
      this.bulk.shift();
      stream.inData = false;
      if (bytes > 0) {
        this.conversation.carriesBulk(stream);
        this.pings.bulkGoes();
        this.noteSent(stream, bytes);
        writer.data(stream, bytes);
      } else idle += 1;
      this.schedule(stream);
      this.relieve(stream);
    }
    return writer.finish();
  }

  /** What the stream may send in its next frame of bulk. */
  private bulkBytes(stream: Stream): number {
    return Math.min(sendableBytes(stream), this.path.maxMessageBytes - headroomBytes);
  }

  private writeFin(stream: Stream): void {
    this.noteSent(stream, 1);
    this.writer.frame(frameTypes.FIN, stream.id, stream.send.end, nothing);
    stream.send.takeFin();
  }

  private noteSent(stream: Stream, bytes: number): void {
    const half = stream.send;
    if (half.cursor < half.sent) this.resentBytes += Math.min(bytes, half.sent - half.cursor);
    this.inFlightBytes += bytes;
    this.events.unsettled(stream);
  }
}

/** Data waits for OPEN and ACCEPT to go first, and for the peer's SYNC after a resync. */
function maySend(stream: Stream): boolean {
  return (
    !stream.held &&
    (stream.due & (due.open | due.accept)) === 0 &&
    (stream.state === 'open' || stream.state === 'opening')
  );
}

function sendableBytes(stream: Stream): number {
  return maySend(stream) ? stream.send.sendable() : 0;
}
