// The session core: streams over messages that may be lost or repeated at any hop. It takes messages and
// the time and gives messages and events; it opens no socket, starts no timer and draws no randomness.
// What is due to be sent is outbound.ts's business, what a frame does to its stream inbound.ts's; stream-table.ts
// keeps the streams and the books of what they hold. Here are the session's own life, and its path lost and found.

import { enoughBytes } from './acknowledgements.ts';
import { FairleadError, type WireCode, wireCodeName, wireCodes } from './errors.ts';
import { decodeFrames, type Frame, frameTypes } from './frame.ts';
import type { StreamInbound } from './inbound.ts';
import {
  defaultLimits,
  initialWindowBytes,
  maxReasonBytes,
  PerSecond,
  type SessionLimits,
} from './limits.ts';
import { decodeOpen, decodeReason, encodeJson, type OpenRequest, type SealedRequest } from './open.ts';
import { due, type Outbound, type PathLimits, syncFlags } from './outbound.ts';
import { SeenIds } from './seen-ids.ts';
import type { Role, SessionHost } from './session-host.ts';
import type { Stream, StreamHandler } from './stream.ts';
import { ignore, StreamTable } from './stream-table.ts';

export type { OpenRequest, SealedRequest } from './open.ts';
export type { PathLimits } from './outbound.ts';
export type { Role, SessionHost } from './session-host.ts';
export { Stream, type StreamHandler } from './stream.ts';

const nothing = new Uint8Array();

export class Session {
  readonly id: bigint;
  readonly role: Role;

  private readonly host: SessionHost;
  private readonly limits: SessionLimits;
  private readonly streams: StreamTable;
  private readonly outbound: Outbound;
  private readonly inbound: StreamInbound;
  private readonly seen = new SeenIds();
  private readonly opens: PerSecond;
  private readonly resets: PerSecond;
  private readonly controls: PerSecond;
  private nextId = 1;

  /** `up`: messages may reach the peer. `closing`: one last GOAWAY is due. */
  private state: 'down' | 'up' | 'closing' | 'closed' = 'down';
  /** The peer is known to hold this session, so that its not knowing it means that it is lost. */
  private confirmed = false;
  /** Agent: the dialer's first SYNC has come. A dialer's session has always begun. */
  private begun: boolean;
  /** What this side said in GOAWAY, while streams go on. */
  private leaving: { readonly code: WireCode; readonly reason: string } | undefined;
  private peerLeaving = false;

  private lastHeardMs: number;
  private keepAliveAtMs = Number.POSITIVE_INFINITY;
  private resyncs = 0;
  private readonly visit = (frame: Frame): void => this.onFrame(frame);

  constructor(role: Role, id: bigint, host: SessionHost, limits: Partial<SessionLimits> = {}) {
    this.role = role;
    this.id = id;
    this.host = host;
    this.limits = { ...defaultLimits, ...limits };
    this.opens = new PerSecond(this.limits.maxOpensPerSecond);
    this.resets = new PerSecond(this.limits.maxResetsPerSecond);
    this.controls = new PerSecond(this.limits.maxControlFramesPerSecond);
    this.streams = new StreamTable(role, id, host, this.limits);
    this.outbound = this.streams.outbound;
    this.inbound = this.streams.inbound;
    this.begun = role === 'dialer';
    this.lastHeardMs = host.now();
    if (this.limits.memory !== undefined) this.limits.memory.sessions += 1;
  }

  // ── figures ──────────────────────────────────────────────────────────────────────────────────────

  get streamCount(): number {
    return this.streams.size;
  }

  /** Shortest round trip to the peer seen on this path, in ms. */
  get rttMs(): number | undefined {
    return this.outbound.window.minRttMs;
  }

  /** Sent and not yet acknowledged, over all streams. */
  get inFlightBytes(): number {
    return this.outbound.inFlightBytes;
  }

  /** Received and not yet consumed, over all streams. */
  get bufferedBytes(): number {
    return this.inbound.bufferedBytes;
  }

  /** What receive windows have grown beyond their first size. */
  get grownBytes(): number {
    return this.streams.growthBytes;
  }

  /** Counts for metrics and tests; they only grow. */
  get counters() {
    return {
      resyncs: this.resyncs,
      gaps: this.inbound.gaps,
      duplicates: this.inbound.duplicates,
      resentBytes: this.outbound.resentBytes,
      probes: this.streams.unsettledStreams.probes,
    };
  }

  /** No stream, and nothing left to say. */
  get idle(): boolean {
    return this.streams.size === 0 && this.outbound.empty;
  }

  get takesStreams(): boolean {
    return !this.peerLeaving && !this.over && this.nextId < 0xffff_ffff;
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
  open(request: OpenRequest | SealedRequest, handler: StreamHandler): Stream {
    if (this.role !== 'dialer') throw new FairleadError('ERR_PROTOCOL', 'only a dialer opens streams');
    if (this.over) throw new FairleadError('ERR_SESSION_LOST', 'the session has ended');
    if (!this.takesStreams) throw new FairleadError('ERR_DRAINING', 'the agent takes no new streams');
    if (this.streams.size >= this.limits.maxStreams) {
      throw new FairleadError('ERR_STREAM_LIMIT', `the session has ${this.streams.size} streams, its limit`);
    }
    const id = this.nextId;
    this.nextId += 1;
    const stream = this.addStream(id, 'opening', handler, encodeJson(request));
    this.outbound.owe(stream, due.open);
    this.streams.unsettled(stream);
    return stream;
  }

  /** Take no new streams and tell the peer so; those that are open go on. */
  goAway(code: WireCode, reason: string): void {
    if (this.over || this.leaving !== undefined) return;
    this.leaving = { code, reason };
    this.outbound.oweGoAway(code, reason);
  }

  /** Asks the peer for a sign of life: {@link SessionHost.ponged}. A PING that is under way no longer counts. */
  ping(): void {
    if (!this.over) this.outbound.pings.owePing();
  }

  /** Ends the session: every stream is told, and the peer if it can be reached. */
  close(code: WireCode, reason: string): void {
    this.fail(code, reason, this.state === 'up');
  }

  // ── the link's side ──────────────────────────────────────────────────────────────────────────────

  /** The peer may be reachable (again): both sides tell what they have, and resend the rest. */
  linkUp(path: PathLimits): void {
    if (this.over) return;
    this.outbound.forgetLink();
    this.usePath(path);
    this.state = 'up';
    if (this.begun) this.resync();
  }

  /** Messages no longer reach the peer. Streams wait, up to the resume window. */
  linkDown(): void {
    if (this.state === 'up') this.state = 'down';
  }

  /** A new in-flight budget for the link that is up. */
  budget(inFlightBytes: number): void {
    this.usePath({ ...this.outbound.path, inFlightBytes });
    this.host.outputReady();
  }

  private usePath(path: PathLimits): void {
    this.outbound.path = path;
    // An acknowledgement is a message too: fewer of them, where messages are dear and the share leaves room.
    const { messagesAreDear, inFlightBytes } = path;
    this.streams.acks.enoughBytes = messagesAreDear ? Math.max(enoughBytes, inFlightBytes / 16) : enoughBytes;
  }

  /** Silence after which the peer is asked for a sign of life: longer where that wakes a broker that sleeps. */
  private get pingAfterMs(): number {
    const { resumeWindowMs, pingIntervalMs } = this.limits;
    return this.outbound.path.messagesAreDear
      ? Math.max(pingIntervalMs, resumeWindowMs * 0.4)
      : pingIntervalMs;
  }

  /** Takes a whole message. Never throws: what is malformed or hostile ends this session and no other. */
  receive(message: Uint8Array): void {
    if (this.over) return;
    this.lastHeardMs = this.host.now();
    if (this.state === 'down') {
      // The peer speaks although it was thought away.
      this.state = 'up';
      if (this.begun) this.resync();
    }
    this.inbound.messageBytes = message.length;
    try {
      decodeFrames(message, this.visit);
    } catch (error) {
      if (!(error instanceof FairleadError)) throw error;
      this.fail('ERR_PROTOCOL', error.message, true);
    }
    this.rearm();
  }

  /** Does what is due by now: acknowledgements, questions about what was not acknowledged, signs of life. */
  advance(): void {
    if (this.over) return;
    const now = this.host.now();
    if (this.streams.acks.dueAtMs <= now) this.streams.acks.flush(now);
    if (this.streams.unsettledStreams.dueAtMs <= now)
      this.streams.unsettledStreams.probe(now, this.state === 'up');
    if (this.keepAliveAtMs <= now) this.keepAlive(now);
    this.rearm();
  }

  /** The next message, or undefined while there is none or the path is full. Not to be modified. */
  pull(): Uint8Array | undefined {
    if (this.state === 'up') return this.outbound.pull();
    if (this.state !== 'closing') return undefined;
    this.state = 'closed';
    return this.outbound.pullGoAway();
  }

  // ── frames ───────────────────────────────────────────────────────────────────────────────────────

  private onFrame(frame: Frame): void {
    if (this.over) return;
    const isData = frame.type === frameTypes.DATA && frame.payload.length > 0;
    if (!isData && !this.controls.allow(this.host.now())) {
      const { maxControlFramesPerSecond: most } = this.limits;
      this.fail('ERR_RATE_LIMIT', `over ${most} frames without data in a second`, true);
      return;
    }
    if (frame.stream === 0) {
      this.onSessionFrame(frame);
    } else if (!this.begun) {
      // The dialer's first SYNC was lost: ask for it, and take nothing before.
      this.outbound.oweSessionSync(0);
    } else if (frame.type === frameTypes.OPEN) {
      this.onOpen(frame);
    } else if (frame.type === frameTypes.RESET) {
      this.onReset(frame);
    } else if (this.inbound.knows(frame.type)) {
      const stream = this.streams.get(frame.stream);
      this.confirmed = true;
      if (stream === undefined) this.onUnknown(frame.stream);
      else if (stream.state !== 'resetting') this.inbound.receive(stream, frame);
    }
    // Unknown types are skipped by their length, so that v1 can grow.
  }

  private onSessionFrame(frame: Frame): void {
    if (frame.type === frameTypes.SYNC) this.onSessionSync(frame.argument === 1);
    else if (frame.type === frameTypes.PING) this.outbound.pings.owePong(frame.argument);
    else if (frame.type === frameTypes.PONG) this.outbound.pings.pongReceived(frame.argument);
    else if (frame.type === frameTypes.GOAWAY) this.onGoAway(frame);
    else if (frame.type < frameTypes.PING)
      throw new FairleadError('ERR_PROTOCOL', 'a stream frame without a stream');
  }

  /** `knows`: the peer says that this side holds the session. */
  private onSessionSync(knows: boolean): void {
    if (this.role === 'dialer') {
      if (knows) this.confirmed = true;
      // An agent that has not heard the beginning. If it should have, it will say that the session is lost.
      else this.resync();
    } else if (knows && !this.begun) {
      this.fail('ERR_SESSION_LOST', 'the agent does not hold this session any more', true);
    } else {
      if (!this.begun) this.outbound.pings.measureRoundTrip();
      this.begun = true;
      this.confirmed = true;
      this.outbound.oweSessionSync(1);
    }
  }

  private onGoAway(frame: Frame): void {
    const code = wireCodeName(frame.argument);
    const reason = decodeReason(frame.payload, maxReasonBytes);
    if (code !== 'ERR_DRAINING') {
      this.fail(code, reason, false);
    } else if (!this.peerLeaving) {
      this.peerLeaving = true;
      this.host.goingAway?.(code, reason);
    }
  }

  private onOpen(frame: Frame): void {
    if (this.role !== 'agent') throw new FairleadError('ERR_PROTOCOL', 'an OPEN from an agent');
    const stream = this.streams.get(frame.stream);
    if (stream !== undefined) {
      this.inbound.duplicates += 1;
      if (stream.live) this.outbound.oweSync(stream, 0);
      if (stream.state === 'open') this.outbound.owe(stream, due.accept);
    } else if (this.seen.has(frame.stream)) {
      this.outbound.answer(frame.stream, wireCodes.ERR_STREAM_GONE);
    } else if (!this.opens.allow(this.host.now())) {
      this.fail('ERR_RATE_LIMIT', `over ${this.limits.maxOpensPerSecond} OPEN frames in a second`, true);
    } else if (this.leaving !== undefined || this.streams.size >= this.limits.maxStreams) {
      // Not marked as seen: it was not dialled, and one that comes again may find room.
      const code = this.leaving === undefined ? 'ERR_STREAM_LIMIT' : 'ERR_DRAINING';
      this.outbound.answer(frame.stream, wireCodes[code]);
    } else if (!this.streams.mayHold(initialWindowBytes)) {
      this.outbound.answer(frame.stream, wireCodes.ERR_BUFFER_LIMIT);
    } else {
      const request = decodeOpen(frame.payload);
      this.seen.add(frame.stream);
      const opened = this.addStream(frame.stream, 'dialling', ignore, nothing);
      this.inbound.grantAtOpen(opened, frame.argument);
      if (!opened.live) return;
      if (!('e2e' in request)) this.host.opened?.(opened, request);
      else if (this.host.openedSealed !== undefined) this.host.openedSealed(opened, request.e2e);
      else opened.reset('ERR_E2E', 'this agent does not take encrypted streams');
    }
  }

  private onReset(frame: Frame): void {
    const stream = this.streams.get(frame.stream);
    const isAnswer = frame.argument === 0 || frame.argument === wireCodes.ERR_STREAM_GONE;
    if (!isAnswer) {
      if (!this.resets.allow(this.host.now())) {
        this.fail('ERR_RATE_LIMIT', `over ${this.limits.maxResetsPerSecond} RESET frames in a second`, true);
        return;
      }
      this.outbound.answer(frame.stream, 0);
      // Its OPEN may still come, repeated somewhere: nothing is to be dialled for it.
      if (this.role === 'agent') this.seen.add(frame.stream);
    }
    if (stream === undefined) return;
    if (stream.state === 'resetting') {
      this.streams.remove(stream);
    } else if (frame.argument === wireCodes.ERR_STREAM_GONE && stream.receive.ended && stream.send.finished) {
      // The peer finished, so it has our FIN: only its last acknowledgement was lost.
      this.streams.remove(stream);
      stream.handler.closed(undefined);
    } else if (frame.argument !== 0) {
      const code = wireCodeName(frame.argument);
      const reason = decodeReason(frame.payload, maxReasonBytes);
      this.streams.remove(stream);
      stream.handler.closed(
        new FairleadError(code, reason === '' ? `the stream was reset: ${code}` : reason),
      );
    }
  }

  /** A frame for a stream that is over, or (agent) whose OPEN is still to come and will be sent again. */
  private onUnknown(id: number): void {
    if (this.role === 'agent' && !this.seen.has(id)) return;
    if (this.role === 'dialer' && id >= this.nextId) {
      throw new FairleadError('ERR_PROTOCOL', 'a frame for a stream that was never opened');
    }
    this.outbound.answer(id, wireCodes.ERR_STREAM_GONE);
  }

  // ── a path lost and found ────────────────────────────────────────────────────────────────────────

  /** What was in flight is taken for lost until the peer says what it has. */
  private resync(): void {
    const now = this.host.now();
    this.resyncs += 1;
    this.outbound.oweSessionSync(this.confirmed ? 1 : 0);
    if (this.leaving !== undefined) this.outbound.oweGoAway(this.leaving.code, this.leaving.reason);
    this.outbound.window.reset();
    this.outbound.pings.measureRoundTrip();
    for (const stream of this.streams.values()) {
      stream.progressAtMs = now;
      stream.receive.gapAt = -1;
      this.announce(stream);
      this.streams.unsettled(stream);
    }
  }

  private announce(stream: Stream): void {
    if (stream.state === 'resetting') {
      this.outbound.owe(stream, due.reset);
      return;
    }
    this.outbound.rewind(stream, stream.send.acked);
    if (!stream.openKnown) {
      this.outbound.owe(stream, due.open);
      return;
    }
    stream.held = true;
    if (this.role === 'agent' && stream.state === 'open') this.outbound.owe(stream, due.accept);
    this.outbound.oweSync(stream, syncFlags.ask | syncFlags.resend);
  }

  private keepAlive(now: number): void {
    const { resumeWindowMs } = this.limits;
    const { pingAfterMs } = this;
    if (this.streams.size === 0) {
      this.keepAliveAtMs = Number.POSITIVE_INFINITY;
      return;
    }
    const silentMs = now - this.lastHeardMs;
    if (silentMs >= resumeWindowMs) {
      this.fail('ERR_RESUME_TIMEOUT', `nothing was heard of the peer for ${Math.round(silentMs)} ms`, false);
      return;
    }
    if (silentMs >= pingAfterMs) this.outbound.pings.owePing();
    this.keepAliveAtMs = Math.min(now + pingAfterMs, this.lastHeardMs + resumeWindowMs);
  }

  private rearm(): void {
    const next = Math.min(
      this.streams.acks.dueAtMs,
      this.streams.unsettledStreams.dueAtMs,
      this.keepAliveAtMs,
    );
    if (next !== Number.POSITIVE_INFINITY && !this.over) this.host.wakeAt(next);
  }

  // ── beginnings and ends ──────────────────────────────────────────────────────────────────────────

  /** Silence counts from when somebody began to wait. */
  private addStream(
    id: number,
    state: 'opening' | 'dialling',
    handler: StreamHandler,
    announcement: Uint8Array,
  ): Stream {
    if (this.streams.size === 0) {
      const now = this.host.now();
      this.lastHeardMs = now;
      this.keepAliveAtMs = now + Math.min(this.pingAfterMs, this.limits.resumeWindowMs);
      this.host.wakeAt(this.keepAliveAtMs);
    }
    return this.streams.add(id, state, handler, announcement);
  }

  private fail(code: WireCode, reason: string, tellPeer: boolean): void {
    if (this.over) return;
    const error = new FairleadError(code, reason);
    this.outbound.forgetAnswers();
    this.outbound.oweGoAway(code, reason);
    this.state = tellPeer ? 'closing' : 'closed';
    for (const stream of [...this.streams.values()]) {
      const handler = stream.live ? stream.handler : ignore;
      this.streams.remove(stream);
      handler.closed(error);
    }
    if (this.limits.memory !== undefined) this.limits.memory.sessions -= 1;
    this.host.closed(error);
  }
}
