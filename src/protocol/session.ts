// The session core: streams over messages that may be lost or repeated at any hop. It takes messages and
// the time and gives messages and events; it opens no socket, starts no timer and draws no randomness.
// Nothing it sends is queued: what is due stands as bits on each stream, and frames are made when pulled,
// so that a peer can make this side do work but never make it remember more than its streams.

import { FairleadError, type WireCode, wireCodeName, wireCodes } from './errors.ts';
import { Fifo } from './fifo.ts';
import { decodeFrames, type Frame, frameTypes, readU64 } from './frame.ts';
import {
  defaultLimits,
  initialWindowBytes,
  maxCreditBytes,
  maxReasonBytes,
  PerSecond,
  type SessionLimits,
} from './limits.ts';
import { MessageWriter } from './message-writer.ts';
import {
  decodeAccept,
  decodeOpen,
  decodeReason,
  encodeJson,
  encodeReason,
  type OpenRequest,
  type RemoteAddress,
} from './open.ts';
import { PathWindow } from './path-window.ts';
import { ReceiveHalf } from './receive-half.ts';
import { SeenIds } from './seen-ids.ts';
import { SendHalf } from './send-half.ts';
import { Stream, type StreamHandler, type StreamOwner } from './stream.ts';

export type { OpenRequest, RemoteAddress } from './open.ts';
export { Stream, type StreamHandler } from './stream.ts';

/** What the broker said that a link carries (HELLO, BUDGET). */
export interface PathLimits {
  readonly maxMessageBytes: number;
  readonly inFlightBytes: number;
  readonly messagesAreDear: boolean;
}

/** What a session needs of the world. */
export interface SessionHost {
  /** Monotonic milliseconds. */
  now(): number;
  /** There is something to send: call {@link Session.pull} until it answers undefined, as the link has room. */
  outputReady(): void;
  /** Call {@link Session.advance} at this time or soon after; an earlier time replaces a later one. */
  wakeAt(atMs: number): void;
  /** Agent: a dialer asks for a stream. Set its handler now; accept or reset it then or later. */
  opened?(stream: Stream, request: OpenRequest): void;
  /** The peer takes no new streams; those that are open go on. */
  goingAway?(code: WireCode, reason: string): void;
  /** The session is over and its streams were told. Once. */
  closed(error: FairleadError): void;
}

export type Role = 'dialer' | 'agent';

/** Frames due on a stream. */
const due = { open: 1, accept: 2, credit: 4, reset: 8, sync: 16 } as const;

/** Flags in SYNC's last byte. */
export const syncFlags = { ask: 1, resend: 2 } as const;
export const syncPayloadBytes = 17;

/** A stream with no more than this unsent goes before bulk, in bytes. */
const shortBytes = 4096;
/** Acknowledgements wait for so many bytes or so long. */
const ackBytes = 65_536;
const ackBytesMost = 524_288;
const ackSpacingMs = 0.4;
const ackDelayMs = 20;
/** Time without progress before the peer is asked what it has. */
const probeLeastMs = 250;
const probeDoublings = 4;
/** Answers owed to frames of streams that are gone; the rest are dropped, for the peer will ask again. */
const maxAnswers = 1024;
/** Path time a reader may take for half a window before the window counts as large enough, besides round trips. */
const windowSlackMs = 2;

const nothing = new Uint8Array();

export class Session implements StreamOwner {
  readonly id: bigint;
  readonly role: Role;
  readonly highWaterBytes: number;

  private readonly host: SessionHost;
  private readonly limits: SessionLimits;
  private readonly streams = new Map<number, Stream>();
  private readonly seen = new SeenIds();
  private readonly opens: PerSecond;
  private readonly resets: PerSecond;
  private nextId = 1;

  /** `up`: messages may reach the peer. `closing`: one last GOAWAY is due. */
  private state: 'down' | 'up' | 'closing' | 'closed' = 'down';
  private path: PathLimits = { maxMessageBytes: 65_536 + 64, inFlightBytes: 65_536, messagesAreDear: false };
  private readonly pathWindow = new PathWindow();

  /** The peer is known to hold this session, so that its not knowing it means that it is lost. */
  private confirmed = false;
  /** Agent: the dialer's first SYNC has come. */
  private begun: boolean;
  private refusing = false;
  private peerRefuses = false;
  private goAwayCode: WireCode | undefined;
  private goAwayReason = '';

  private readonly control = new Fifo<Stream>();
  private readonly shorts = new Fifo<Stream>();
  private readonly bulk = new Fifo<Stream>();
  private bulkTurn = false;
  private readonly writer: MessageWriter;

  private syncDue = false;
  private goAwayDue = false;
  private pingDue = false;
  private pingSentMs = -1;
  private pingNumber = 0;
  private pongDue = -1;
  /** Stream id → code of the RESET owed: 0 acknowledges one, others refuse. */
  private readonly answers = new Map<number, number>();

  private inFlight = 0;
  private growthBytes = 0;
  private buffered = 0;
  private unackedBytes = 0;
  private readonly unacked = new Fifo<Stream>();
  private lastAckMs = Number.NEGATIVE_INFINITY;
  private readonly unsettled = new Set<Stream>();

  private lastHeardMs: number;
  private ackAtMs = Number.POSITIVE_INFINITY;
  private probeAtMs = Number.POSITIVE_INFINITY;
  private keepAliveAtMs = Number.POSITIVE_INFINITY;

  private messageBytes = 0;
  private readonly visit = (frame: Frame): void => this.onFrame(frame);

  /** Counts for metrics and tests; they only grow. */
  readonly counters = { resyncs: 0, gaps: 0, resentBytes: 0, duplicates: 0, probes: 0 };

  constructor(role: Role, id: bigint, host: SessionHost, limits: Partial<SessionLimits> = {}) {
    this.role = role;
    this.id = id;
    this.host = host;
    this.limits = { ...defaultLimits, ...limits };
    this.highWaterBytes = this.limits.highWaterBytes;
    this.opens = new PerSecond(this.limits.maxOpensPerSecond);
    this.resets = new PerSecond(this.limits.maxResetsPerSecond);
    this.writer = new MessageWriter(id);
    this.begun = role === 'dialer';
    this.lastHeardMs = host.now();
  }

  get streamCount(): number {
    return this.streams.size;
  }

  get rttMs(): number | undefined {
    return this.pathWindow.minRttMs;
  }

  /** Sent and not yet acknowledged, over all streams. */
  get inFlightBytes(): number {
    return this.inFlight;
  }

  /** Received and not yet consumed, over all streams. */
  get bufferedBytes(): number {
    return this.buffered;
  }

  /** What receive windows have grown beyond their first size. */
  get grownBytes(): number {
    return this.growthBytes;
  }

  /** No stream, and nothing left to say. */
  get idle(): boolean {
    return this.streams.size === 0 && this.control.length === 0 && this.answers.size === 0 && !this.goAwayDue;
  }

  get takesStreams(): boolean {
    return !this.peerRefuses && !this.over && this.nextId < 0xffff_ffff;
  }

  private get over(): boolean {
    return this.state === 'closing' || this.state === 'closed';
  }

  // ── the user's side ──────────────────────────────────────────────────────────────────────────────

  /**
   * Dialer: a new stream, usable at once. Data may be written before it is accepted.
   *
   * @throws FairleadError ERR_SESSION_LOST, ERR_DRAINING or ERR_STREAM_LIMIT
   */
  open(request: OpenRequest, handler: StreamHandler): Stream {
    if (this.role !== 'dialer') throw new FairleadError('ERR_PROTOCOL', 'only a dialer opens streams');
    if (this.over) throw new FairleadError('ERR_SESSION_LOST', 'the session has ended');
    if (!this.takesStreams) throw new FairleadError('ERR_DRAINING', 'the agent takes no new streams');
    if (this.streams.size >= this.limits.maxStreams) {
      throw new FairleadError('ERR_STREAM_LIMIT', `the session has ${this.streams.size} streams, its limit`);
    }
    const now = this.host.now();
    const id = this.nextId;
    this.nextId += 1;
    const stream = this.addStream(id, 'opening', handler, encodeJson(request), now);
    this.makeDue(stream, due.open);
    this.unsettle(stream, now);
    return stream;
  }

  /** Take no new streams and tell the peer so; those that are open go on. */
  goAway(code: WireCode, reason: string): void {
    if (this.over || this.refusing) return;
    this.refusing = true;
    this.goAwayCode = code;
    this.goAwayReason = reason;
    this.goAwayDue = true;
    this.host.outputReady();
  }

  /** Ends the session: every stream is told, and the peer if it can be reached. */
  close(code: WireCode, reason: string): void {
    this.fail(code, reason, this.state === 'up');
  }

  accept(stream: Stream, remote: RemoteAddress): void {
    stream.state = 'open';
    stream.announcement = encodeJson(remote);
    this.makeDue(stream, due.accept);
  }

  written(stream: Stream): void {
    this.schedule(stream);
  }

  resetByUser(stream: Stream, code: WireCode, reason: string): void {
    this.giveUp(stream, code, reason);
  }

  consumed(stream: Stream, bytes: number): void {
    const half = stream.receive;
    const taken = Math.min(bytes, half.buffered);
    const now = this.host.now();
    this.buffered -= taken;
    const pathMs = (this.pathWindow.minRttMs ?? 0) + windowSlackMs;
    const pool = this.limits.maxGrowthBytes - this.growthBytes;
    this.growthBytes += half.consume(taken, now, pathMs, this.limits.maxStreamWindowBytes, pool);
    if (half.creditDue && !half.ended) this.makeDue(stream, due.credit);
  }

  // ── the link's side ──────────────────────────────────────────────────────────────────────────────

  /** The peer may be reachable (again): both sides tell what they have, and resend the rest. */
  linkUp(path: PathLimits): void {
    if (this.over) return;
    this.path = path;
    this.state = 'up';
    if (this.role === 'dialer' || this.begun) this.resync();
  }

  /** Messages no longer reach the peer. Streams wait, up to the resume window. */
  linkDown(): void {
    if (this.state === 'up') this.state = 'down';
  }

  /** A new in-flight budget for the link that is up. */
  budget(inFlightBytes: number): void {
    this.path = { ...this.path, inFlightBytes };
    this.host.outputReady();
  }

  /** Takes a whole message. Never throws: what is malformed or hostile ends this session and no other. */
  receive(message: Uint8Array): void {
    if (this.over) return;
    this.lastHeardMs = this.host.now();
    if (this.state === 'down') this.comeBack();
    this.messageBytes = message.length;
    try {
      decodeFrames(message, this.visit);
    } catch (error) {
      if (!(error instanceof FairleadError)) throw error;
      this.fail('ERR_PROTOCOL', error.message, true);
    }
  }

  /** What is due by now: acknowledgements, questions about what was not acknowledged, signs of life. */
  advance(): void {
    if (this.over) return;
    const now = this.host.now();
    if (this.ackAtMs <= now) this.acknowledge(now);
    if (this.probeAtMs <= now) this.probe(now);
    if (this.keepAliveAtMs <= now) this.keepAlive(now);
    if (!this.over) this.rearm();
  }

  /** The next message, or undefined while there is none or the path is full. Not to be modified. */
  pull(): Uint8Array | undefined {
    if (this.state === 'closing') {
      this.state = 'closed';
      this.writer.begin();
      this.writeGoAway();
      return this.writer.finish();
    }
    if (this.state !== 'up') return undefined;
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

  // ── sending ──────────────────────────────────────────────────────────────────────────────────────

  private bulkReady(): boolean {
    return this.bulk.length > 0 && this.inFlight < this.inFlightLimit();
  }

  private inFlightLimit(): number {
    return Math.min(this.pathWindow.bytes, this.path.inFlightBytes);
  }

  /** Control frames and short writes of many streams share one message. */
  private pullSmall(): Uint8Array | undefined {
    const writer = this.writer;
    writer.begin();
    if (this.syncDue) {
      this.syncDue = false;
      writer.frame(frameTypes.SYNC, 0, this.confirmed ? 1 : 0, nothing);
    }
    if (this.goAwayDue) this.writeGoAway();
    if (this.pongDue >= 0) {
      writer.frame(frameTypes.PONG, 0, this.pongDue, nothing);
      this.pongDue = -1;
    }
    if (this.pingDue) {
      this.pingDue = false;
      this.pingNumber += 1;
      this.pingSentMs = this.host.now();
      writer.frame(frameTypes.PING, 0, this.pingNumber, nothing);
    }
    for (const [id, code] of this.answers) {
      if (!writer.fits(0)) break;
      this.answers.delete(id);
      writer.frame(frameTypes.RESET, id, code, nothing);
    }
    for (let stream = this.control.peek(); stream !== undefined; stream = this.control.peek()) {
      if (!this.writeDue(stream)) break;
      this.control.shift();
      stream.inControl = false;
      this.schedule(stream);
      this.settleIfDone(stream);
    }
    for (let left = this.shorts.length; left > 0 && this.inFlight < this.path.inFlightBytes; left -= 1) {
      const stream = this.shorts.peek();
      if (stream === undefined || !writer.fits(shortBytes)) break;
      this.shorts.shift();
      stream.inData = false;
      const bytes = this.sendableBytes(stream);
      if (bytes > shortBytes) {
        this.queueBulk(stream);
      } else {
        if (bytes > 0) {
          this.noteSent(stream, bytes);
          writer.data(stream, bytes);
        }
        if (this.finSendable(stream)) this.writeFin(stream);
        this.schedule(stream);
        this.relieve(stream);
      }
    }
    return writer.finish();
  }

  private pullBulk(): Uint8Array | undefined {
    for (let left = this.bulk.length; left > 0 && this.bulkReady(); left -= 1) {
      const stream = this.bulk.shift();
      if (stream === undefined) break;
      stream.inData = false;
      const bytes = this.sendableBytes(stream);
      if (bytes === 0) {
        this.schedule(stream);
        continue;
      }
      const message = this.path.messagesAreDear
        ? this.packBulk(stream, bytes)
        : this.takeMessage(stream, bytes);
      this.schedule(stream);
      this.relieve(stream);
      return message;
    }
    return undefined;
  }

  private takeMessage(stream: Stream, bytes: number): Uint8Array {
    this.noteSent(stream, bytes);
    return stream.send.takeMessage(this.id, stream.id, bytes);
  }

  /** Where the platform charges by the message: as many frames as one may hold, at the price of a copy. */
  private packBulk(stream: Stream, firstBytes: number): Uint8Array | undefined {
    const writer = this.writer;
    writer.begin(this.path.maxMessageBytes);
    let bytes = firstBytes;
    while (bytes > 0 && writer.fits(bytes)) {
      this.noteSent(stream, bytes);
      writer.data(stream, bytes);
      bytes = this.inFlight < this.inFlightLimit() ? this.sendableBytes(stream) : 0;
    }
    return writer.finish();
  }

  private noteSent(stream: Stream, bytes: number): void {
    const half = stream.send;
    if (half.cursor < half.sent) this.counters.resentBytes += Math.min(bytes, half.sent - half.cursor);
    this.inFlight += bytes;
    this.unsettle(stream, this.host.now());
  }

  private writeFin(stream: Stream): void {
    this.noteSent(stream, 1);
    this.writer.frame(frameTypes.FIN, stream.id, stream.send.end, nothing);
    stream.send.takeFin();
  }

  /** Writes every frame that the stream owes; false where the message has no room for them. */
  private writeDue(stream: Stream): boolean {
    const writer = this.writer;
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

  private writeGoAway(): void {
    this.goAwayDue = false;
    const code = this.goAwayCode ?? 'ERR_PROTOCOL';
    this.writer.frame(frameTypes.GOAWAY, 0, wireCodes[code], encodeReason(this.goAwayReason, maxReasonBytes));
  }

  private makeDue(stream: Stream, bits: number): void {
    stream.due |= bits;
    if (!stream.inControl) {
      stream.inControl = true;
      this.control.push(stream);
    }
    this.host.outputReady();
  }

  private makeSyncDue(stream: Stream, flags: number): void {
    stream.syncFlags |= flags;
    this.makeDue(stream, due.sync);
  }

  /** Data waits for OPEN and ACCEPT to go first, and for the peer's SYNC after a resync. */
  private sendableBytes(stream: Stream): number {
    return this.maySend(stream) ? stream.send.sendable() : 0;
  }

  private finSendable(stream: Stream): boolean {
    return this.maySend(stream) && stream.send.finDue;
  }

  private maySend(stream: Stream): boolean {
    return (
      !stream.held &&
      (stream.due & (due.open | due.accept)) === 0 &&
      (stream.state === 'open' || stream.state === 'opening')
    );
  }

  private schedule(stream: Stream): void {
    if (stream.inData || !this.maySend(stream)) return;
    const half = stream.send;
    if (half.cursor < half.end) {
      if (half.sendable() === 0) {
        // Out of credit: a CREDIT that was lost must be asked for, so this counts as unsettled.
        this.unsettle(stream, this.host.now());
        return;
      }
    } else if (!half.finDue) {
      return;
    }
    if (half.unsent <= shortBytes) {
      stream.inData = true;
      this.shorts.push(stream);
    } else {
      this.queueBulk(stream);
    }
    this.host.outputReady();
  }

  private queueBulk(stream: Stream): void {
    stream.inData = true;
    this.bulk.push(stream);
  }

  private relieve(stream: Stream): void {
    if (stream.waiting && stream.send.unsent < this.highWaterBytes / 2) {
      stream.waiting = false;
      stream.handler.writable();
    }
  }

  // ── receiving ────────────────────────────────────────────────────────────────────────────────────

  private onFrame(frame: Frame): void {
    if (this.over) return;
    if (frame.stream === 0) {
      this.onSessionFrame(frame);
      return;
    }
    if (!this.begun) {
      // The dialer's first SYNC was lost: ask for it, and take nothing before.
      this.syncDue = true;
      this.host.outputReady();
      return;
    }
    const stream = this.streams.get(frame.stream);
    switch (frame.type) {
      case frameTypes.OPEN:
        this.onOpen(frame, stream);
        return;
      case frameTypes.RESET:
        this.onReset(frame, stream);
        return;
      case frameTypes.ACCEPT:
      case frameTypes.DATA:
      case frameTypes.FIN:
      case frameTypes.CREDIT:
      case frameTypes.SYNC:
        if (stream === undefined) this.onUnknown(frame.stream);
        else if (stream.state !== 'resetting') this.onStreamFrame(stream, frame);
        return;
      default:
        // Unknown types are skipped by their length, so that v1 can grow.
        return;
    }
  }

  private onSessionFrame(frame: Frame): void {
    switch (frame.type) {
      case frameTypes.SYNC:
        this.onSessionSync(frame.argument === 1);
        return;
      case frameTypes.PING:
        this.pongDue = frame.argument;
        this.host.outputReady();
        return;
      case frameTypes.PONG:
        if (frame.argument === this.pingNumber && this.pingSentMs >= 0) {
          this.pathWindow.sample(Math.max(0.01, this.host.now() - this.pingSentMs));
          this.pingSentMs = -1;
        }
        return;
      case frameTypes.GOAWAY:
        this.onGoAway(frame);
        return;
      default:
        return;
    }
  }

  /** `knows`: the peer holds this session's state. */
  private onSessionSync(knows: boolean): void {
    if (this.role === 'agent') {
      if (!this.begun && knows) {
        this.fail('ERR_SESSION_LOST', 'the agent does not hold this session any more', true);
        return;
      }
      this.begun = true;
      this.confirmed = true;
      this.syncDue = true;
      this.host.outputReady();
    } else if (knows) {
      this.confirmed = true;
    } else {
      // An agent that has not heard the beginning. If it should have, it will say that the session is lost.
      this.resync();
    }
  }

  private onGoAway(frame: Frame): void {
    const code = wireCodeName(frame.argument);
    const reason = decodeReason(frame.payload, maxReasonBytes);
    if (code === 'ERR_DRAINING') {
      if (this.peerRefuses) return;
      this.peerRefuses = true;
      this.host.goingAway?.(code, reason);
    } else {
      this.fail(code, reason, false);
    }
  }

  private onOpen(frame: Frame, stream: Stream | undefined): void {
    if (this.role !== 'agent') throw new FairleadError('ERR_PROTOCOL', 'an OPEN from an agent');
    const now = this.host.now();
    if (stream !== undefined) {
      this.counters.duplicates += 1;
      if (stream.state !== 'resetting') this.makeSyncDue(stream, 0);
      if (stream.state === 'open') this.makeDue(stream, due.accept);
      return;
    }
    if (this.seen.has(frame.stream)) {
      this.answer(frame.stream, wireCodes.ERR_STREAM_GONE);
      return;
    }
    if (!this.opens.allow(now)) {
      this.fail('ERR_RATE_LIMIT', `over ${this.limits.maxOpensPerSecond} OPEN frames in a second`, true);
      return;
    }
    if (this.refusing || this.streams.size >= this.limits.maxStreams) {
      // Not marked as seen: it was not dialled, and one that comes again may find room.
      this.answer(frame.stream, wireCodes[this.refusing ? 'ERR_DRAINING' : 'ERR_STREAM_LIMIT']);
      return;
    }
    const request = decodeOpen(frame.payload);
    this.seen.add(frame.stream);
    const accepted = this.addStream(frame.stream, 'dialling', ignore, nothing, now);
    accepted.send.limit = Math.min(frame.argument, maxCreditBytes);
    this.host.opened?.(accepted, request);
  }

  private onReset(frame: Frame, stream: Stream | undefined): void {
    const acknowledged = frame.argument === 0 || frame.argument === wireCodes.ERR_STREAM_GONE;
    if (stream === undefined) {
      if (this.role === 'agent') this.seen.add(frame.stream);
      if (!acknowledged) this.answer(frame.stream, 0);
      return;
    }
    if (!acknowledged && !this.resets.allow(this.host.now())) {
      this.fail('ERR_RATE_LIMIT', `over ${this.limits.maxResetsPerSecond} RESET frames in a second`, true);
      return;
    }
    if (!acknowledged) this.answer(frame.stream, 0);
    if (stream.state === 'resetting') {
      this.remove(stream);
    } else if (frame.argument === wireCodes.ERR_STREAM_GONE && stream.receive.ended && stream.send.finished) {
      // The peer finished, so it has our FIN: only its last acknowledgement was lost.
      this.remove(stream);
      stream.handler.closed(undefined);
    } else if (frame.argument !== 0) {
      const code = wireCodeName(frame.argument);
      const reason = decodeReason(frame.payload, maxReasonBytes);
      this.remove(stream);
      stream.handler.closed(new FairleadError(code, reason === '' ? `stream reset: ${code}` : reason));
    }
  }

  /** A frame for a stream that is over, or (agent) whose OPEN is still to come and will be sent again. */
  private onUnknown(id: number): void {
    if (this.role === 'agent' && !this.seen.has(id)) return;
    if (this.role === 'dialer' && id >= this.nextId) {
      throw new FairleadError('ERR_PROTOCOL', 'a frame for a stream that was never opened');
    }
    this.answer(id, wireCodes.ERR_STREAM_GONE);
  }

  private answer(id: number, code: number): void {
    if (this.answers.size >= maxAnswers && !this.answers.has(id)) return;
    this.answers.set(id, code);
    this.host.outputReady();
  }

  private onStreamFrame(stream: Stream, frame: Frame): void {
    this.confirmed = true;
    switch (frame.type) {
      case frameTypes.DATA:
        this.onData(stream, frame.argument, frame.payload);
        return;
      case frameTypes.FIN:
        this.onFin(stream, frame.argument);
        return;
      case frameTypes.ACCEPT:
        this.onAccept(stream, frame);
        return;
      case frameTypes.CREDIT:
        if (frame.payload.length < 8) throw new FairleadError('ERR_PROTOCOL', 'a CREDIT cut short');
        stream.openKnown = true;
        this.onAcknowledged(stream, readU64(frame.payload, 0), frame.argument);
        return;
      default:
        this.onSync(stream, frame);
    }
  }

  private onAccept(stream: Stream, frame: Frame): void {
    if (this.role !== 'dialer') throw new FairleadError('ERR_PROTOCOL', 'an ACCEPT from a dialer');
    if (stream.state !== 'opening') return;
    const remote = decodeAccept(frame.payload);
    stream.state = 'open';
    stream.openKnown = true;
    stream.due &= ~due.open;
    stream.announcement = nothing;
    this.onAcknowledged(stream, stream.send.acked, frame.argument);
    if (stream.state !== 'open') return;
    this.schedule(stream);
    stream.handler.accepted?.(remote);
  }

  private onData(stream: Stream, offset: number, payload: Uint8Array): void {
    const half = stream.receive;
    const end = offset + payload.length;
    if (end > half.limit || (half.finalOffset !== undefined && end > half.finalOffset)) {
      this.refuse(stream, 'ERR_FLOW_CONTROL', 'data beyond the credit granted');
      return;
    }
    if (offset > half.received || stream.state === 'opening') {
      this.reportGap(stream);
      return;
    }
    if (end <= half.received) {
      this.counters.duplicates += 1;
      return;
    }
    let fresh = offset === half.received ? payload : payload.subarray(half.received - offset);
    this.buffered += fresh.length;
    if (this.buffered > this.limits.maxBufferedBytes) {
      this.buffered -= fresh.length;
      this.refuse(stream, 'ERR_BUFFER_LIMIT', 'the session buffers too much that nobody reads');
      return;
    }
    half.received = end;
    // A short payload must not keep a long message alive: credit counts payload bytes only.
    if (fresh.length * 2 < this.messageBytes) fresh = fresh.slice();
    this.oweAck(stream, fresh.length);
    stream.handler.data(fresh);
  }

  private onFin(stream: Stream, offset: number): void {
    const half = stream.receive;
    if (half.finalOffset !== undefined && half.finalOffset !== offset) {
      this.refuse(stream, 'ERR_PROTOCOL', 'a second FIN at another offset');
      return;
    }
    if (offset < half.received && !half.ended) {
      this.refuse(stream, 'ERR_PROTOCOL', 'a FIN before bytes that came already');
      return;
    }
    if (half.ended) {
      this.counters.duplicates += 1;
      this.makeDue(stream, due.credit);
      return;
    }
    if (offset > half.limit) {
      this.refuse(stream, 'ERR_FLOW_CONTROL', 'a FIN beyond the credit granted');
      return;
    }
    if (offset > half.received || stream.state === 'opening') {
      this.reportGap(stream);
      return;
    }
    half.finalOffset = offset;
    half.received = offset + 1;
    this.makeDue(stream, due.credit);
    stream.handler.end();
    this.settleIfDone(stream);
  }

  private onSync(stream: Stream, frame: Frame): void {
    if (frame.payload.length < syncPayloadBytes) throw new FairleadError('ERR_PROTOCOL', 'a SYNC cut short');
    const received = frame.argument;
    const limit = readU64(frame.payload, 0);
    const peerSent = readU64(frame.payload, 8);
    const flags = frame.payload[16] as number;
    stream.openKnown = true;
    if (!this.onAcknowledged(stream, received, limit)) return;
    const half = stream.send;
    if (stream.held) {
      stream.held = false;
      stream.rewoundTo = received;
      stream.rewoundAtMs = this.host.now();
      this.schedule(stream);
    } else if (flags & syncFlags.resend && received >= half.acked && received < half.cursor) {
      this.rewind(stream, received);
    }
    const gap = peerSent > stream.receive.received;
    if (flags !== 0 && stream.state === 'open' && this.role === 'agent') this.makeDue(stream, due.accept);
    if (flags & syncFlags.ask) {
      this.makeSyncDue(stream, gap ? syncFlags.resend : 0);
    } else if (gap) {
      this.reportGap(stream);
    }
  }

  /** False where the peer's word cannot be true and the stream was reset for it. */
  private onAcknowledged(stream: Stream, received: number, limit: number): boolean {
    const half = stream.send;
    if (received > half.sent) {
      this.refuse(stream, 'ERR_PROTOCOL', 'an acknowledgement of bytes that were never sent');
      return false;
    }
    if (limit > half.acked + maxCreditBytes + initialWindowBytes) {
      this.refuse(stream, 'ERR_FLOW_CONTROL', 'credit over the maximum');
      return false;
    }
    const now = this.host.now();
    if (limit > half.limit) {
      half.limit = limit;
      stream.progressAtMs = now;
      stream.probes = 0;
    }
    const inFlight = half.inFlight;
    const before = half.acked;
    if (half.acknowledge(received)) {
      stream.progressAtMs = now;
      stream.probes = 0;
      this.inFlight += half.inFlight - inFlight;
      this.pathWindow.acknowledged(received - before, this.inFlight, now);
      this.host.outputReady();
    }
    this.schedule(stream);
    this.relieve(stream);
    this.settleIfDone(stream);
    return true;
  }

  // ── loss, and what is owed ───────────────────────────────────────────────────────────────────────

  private reportGap(stream: Stream): void {
    const half = stream.receive;
    const now = this.host.now();
    if (half.gapAt === half.received && now - half.gapReportedAtMs < this.probeMs()) return;
    half.gapAt = half.received;
    half.gapReportedAtMs = now;
    this.counters.gaps += 1;
    this.makeSyncDue(stream, syncFlags.resend);
  }

  private rewind(stream: Stream, offset: number): void {
    const now = this.host.now();
    // One loss may be reported twice; sending twice within a round trip would only double the load.
    const roundTripMs = Math.max(5, this.pathWindow.recentRttMs);
    if (stream.rewoundTo === offset && now - stream.rewoundAtMs < roundTripMs) return;
    stream.rewoundTo = offset;
    stream.rewoundAtMs = now;
    this.moveCursor(stream, offset);
    this.schedule(stream);
    this.host.outputReady();
  }

  private moveCursor(stream: Stream, offset: number): void {
    const before = stream.send.inFlight;
    stream.send.seek(offset);
    this.inFlight += stream.send.inFlight - before;
    this.pathWindow.forgetRound();
  }

  /** After a link came back: what was in flight is taken for lost until the peer says what it has. */
  private resync(): void {
    const now = this.host.now();
    this.counters.resyncs += 1;
    this.syncDue = true;
    if (this.goAwayCode !== undefined) this.goAwayDue = true;
    this.pathWindow.reset();
    this.pingDue = true;
    for (const stream of this.streams.values()) {
      stream.progressAtMs = now;
      stream.receive.gapAt = -1;
      if (stream.state === 'resetting') {
        this.makeDue(stream, due.reset);
        continue;
      }
      this.moveCursor(stream, stream.send.acked);
      if (this.role === 'dialer' && !stream.openKnown) {
        this.makeDue(stream, due.open);
      } else {
        stream.held = true;
        if (this.role === 'agent' && stream.state === 'open') this.makeDue(stream, due.accept);
        this.makeSyncDue(stream, syncFlags.ask | syncFlags.resend);
      }
      this.unsettle(stream, now);
    }
    this.host.outputReady();
  }

  /** The peer speaks although it was thought away. */
  private comeBack(): void {
    this.state = 'up';
    if (this.begun) this.resync();
  }

  private oweAck(stream: Stream, bytes: number): void {
    this.unackedBytes += bytes;
    if (!stream.inAcks) {
      stream.inAcks = true;
      this.unacked.push(stream);
    }
    const now = this.host.now();
    if (this.unackedBytes < ackBytes) {
      if (this.ackAtMs === Number.POSITIVE_INFINITY) this.armAck(now + ackDelayMs);
    } else if (this.unackedBytes >= ackBytesMost || now - this.lastAckMs >= ackSpacingMs) {
      this.acknowledge(now);
    } else {
      this.armAck(now + 1);
    }
  }

  private armAck(atMs: number): void {
    if (atMs >= this.ackAtMs) return;
    this.ackAtMs = atMs;
    this.host.wakeAt(atMs);
  }

  private acknowledge(now: number): void {
    this.ackAtMs = Number.POSITIVE_INFINITY;
    this.lastAckMs = now;
    this.unackedBytes = 0;
    for (let stream = this.unacked.shift(); stream !== undefined; stream = this.unacked.shift()) {
      stream.inAcks = false;
      if (stream.state === 'closed' || stream.state === 'resetting') continue;
      if (stream.receive.received > stream.receive.ackedTo) this.makeDue(stream, due.credit);
    }
  }

  private probeMs(): number {
    return Math.max(probeLeastMs, 3 * this.pathWindow.recentRttMs);
  }

  private unsettle(stream: Stream, now: number): void {
    if (this.unsettled.has(stream)) return;
    this.unsettled.add(stream);
    stream.progressAtMs = now;
    stream.probes = 0;
    if (this.probeAtMs === Number.POSITIVE_INFINITY) {
      this.probeAtMs = now + this.probeMs();
      this.host.wakeAt(this.probeAtMs);
    }
  }

  private settled(stream: Stream): boolean {
    const half = stream.send;
    return (
      stream.state === 'closed' ||
      (stream.state !== 'resetting' &&
        stream.state !== 'opening' &&
        !stream.held &&
        half.acked >= half.sent &&
        !half.blocked)
    );
  }

  /** Asks about every stream that has not moved for a while, less and less often. */
  private probe(now: number): void {
    const everyMs = this.probeMs();
    for (const stream of this.unsettled) {
      if (this.settled(stream)) {
        this.unsettled.delete(stream);
        continue;
      }
      if (this.state !== 'up' || now - stream.progressAtMs < everyMs * 2 ** stream.probes) continue;
      stream.progressAtMs = now;
      stream.probes = Math.min(stream.probes + 1, probeDoublings);
      this.counters.probes += 1;
      if (stream.state === 'resetting') this.makeDue(stream, due.reset);
      else if (stream.state === 'opening' && !stream.openKnown) this.makeDue(stream, due.open);
      else this.makeSyncDue(stream, stream.held ? syncFlags.ask | syncFlags.resend : syncFlags.ask);
    }
    this.probeAtMs = this.unsettled.size > 0 ? now + everyMs : Number.POSITIVE_INFINITY;
  }

  private keepAlive(now: number): void {
    if (this.streams.size === 0) {
      this.keepAliveAtMs = Number.POSITIVE_INFINITY;
      return;
    }
    const silentMs = now - this.lastHeardMs;
    if (silentMs >= this.limits.resumeWindowMs) {
      this.fail('ERR_RESUME_TIMEOUT', `nothing heard of the peer for ${Math.round(silentMs)} ms`, false);
      return;
    }
    if (silentMs >= this.limits.pingIntervalMs) {
      this.pingDue = true;
      this.host.outputReady();
    }
    this.keepAliveAtMs = Math.min(
      now + this.limits.pingIntervalMs,
      this.lastHeardMs + this.limits.resumeWindowMs,
    );
  }

  private rearm(): void {
    const next = Math.min(this.ackAtMs, this.probeAtMs, this.keepAliveAtMs);
    if (next !== Number.POSITIVE_INFINITY) this.host.wakeAt(next);
  }

  // ── beginnings and ends ──────────────────────────────────────────────────────────────────────────

  private addStream(
    id: number,
    state: 'opening' | 'dialling',
    handler: StreamHandler,
    announcement: Uint8Array,
    now: number,
  ): Stream {
    if (this.streams.size === 0) {
      // Silence counts from when somebody began to wait.
      this.lastHeardMs = Math.max(this.lastHeardMs, now);
      this.keepAliveAtMs = now + Math.min(this.limits.pingIntervalMs, this.limits.resumeWindowMs);
      this.host.wakeAt(this.keepAliveAtMs);
    }
    const send = new SendHalf(initialWindowBytes);
    const receive = new ReceiveHalf(initialWindowBytes, now);
    const stream = new Stream(this, id, state, handler, send, receive, announcement);
    stream.openKnown = state === 'dialling';
    this.streams.set(id, stream);
    return stream;
  }

  /** Both sides have finished and both know it: forget the stream, once its last frame was pulled. */
  private settleIfDone(stream: Stream): void {
    const half = stream.send;
    if (stream.state !== 'open' || !stream.receive.ended || !half.finished) return;
    if (half.acked !== half.total || stream.due !== 0) return;
    this.remove(stream);
    stream.handler.closed(undefined);
  }

  /** The peer broke a rule on this stream: it alone ends, and both ends are told. */
  private refuse(stream: Stream, code: WireCode, reason: string): void {
    const handler = stream.handler;
    this.giveUp(stream, code, reason);
    handler.closed(new FairleadError(code, reason));
  }

  private giveUp(stream: Stream, code: WireCode, reason: string): void {
    this.release(stream);
    stream.state = 'resetting';
    stream.handler = ignore;
    stream.resetCode = wireCodes[code];
    stream.announcement = encodeReason(reason, maxReasonBytes);
    stream.due = 0;
    stream.held = false;
    this.makeDue(stream, due.reset);
    this.unsettle(stream, this.host.now());
  }

  private release(stream: Stream): void {
    this.inFlight -= stream.send.inFlight;
    this.buffered -= stream.receive.buffered;
    this.growthBytes -= stream.receive.grownBytes;
    stream.receive.consumed += stream.receive.buffered;
    stream.receive.windowBytes = initialWindowBytes;
    stream.send.drop();
    this.pathWindow.forgetRound();
  }

  private remove(stream: Stream): void {
    if (stream.state === 'closed') return;
    if (stream.state !== 'resetting') this.release(stream);
    stream.state = 'closed';
    stream.due = 0;
    this.streams.delete(stream.id);
    this.unsettled.delete(stream);
    // What others held back for this stream's share of the path may go now.
    this.host.outputReady();
  }

  private fail(code: WireCode, reason: string, tellPeer: boolean): void {
    if (this.over) return;
    const error = new FairleadError(code, reason);
    this.goAwayCode = code;
    this.goAwayReason = reason;
    this.state = tellPeer ? 'closing' : 'closed';
    const streams = [...this.streams.values()];
    for (const stream of streams) {
      const handler = stream.state === 'resetting' ? ignore : stream.handler;
      this.remove(stream);
      handler.closed(error);
    }
    this.answers.clear();
    this.host.outputReady();
    this.host.closed(error);
  }
}

/** For streams that nobody listens to (any more). */
const ignore: StreamHandler = {
  data() {},
  end() {},
  writable() {},
  closed() {},
};
