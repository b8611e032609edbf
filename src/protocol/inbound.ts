// What a frame from the peer does to its stream. Anything the peer says is hostile until checked: what cannot
// be true resets that stream and no other.

import { shortBytes } from './conversation.ts';
import { FairleadError, type WireCode } from './errors.ts';
import { type Frame, frameTypes, readU64 } from './frame.ts';
import { initialWindowBytes, maxCreditBytes, type SessionLimits } from './limits.ts';
import { decodeAccept } from './open.ts';
import { due, type Outbound, syncFlags } from './outbound.ts';
import type { Stream } from './stream.ts';
import { moved, type Unsettled } from './unsettled.ts';

const syncPayloadBytes = 17;
const nothing = new Uint8Array();

export interface InboundEvents {
  now(): number;
  oweAcknowledgement(stream: Stream, bytes: number): void;
  endIfDone(stream: Stream): void;
  refuse(stream: Stream, code: WireCode, reason: string): void;
  /** False while what the process may hold is used up. */
  mayHold(bytes: number): boolean;
}

export class StreamInbound {
  /** Received and not consumed, over all streams. */
  bufferedBytes = 0;
  /** Length of the message that is being read. */
  messageBytes = 0;
  gaps = 0;
  duplicates = 0;

  private readonly role: 'dialer' | 'agent';
  private readonly outbound: Outbound;
  private readonly unsettled: Unsettled;
  private readonly limits: SessionLimits;
  private readonly events: InboundEvents;

  constructor(
    role: 'dialer' | 'agent',
    outbound: Outbound,
    unsettled: Unsettled,
    limits: SessionLimits,
    events: InboundEvents,
  ) {
    this.role = role;
    this.outbound = outbound;
    this.unsettled = unsettled;
    this.limits = limits;
    this.events = events;
  }

  /** Whether frames of this type are for {@link receive}. */
  knows(type: number): boolean {
    return (
      type === frameTypes.DATA ||
      type === frameTypes.CREDIT ||
      type === frameTypes.FIN ||
      type === frameTypes.SYNC ||
      type === frameTypes.ACCEPT
    );
  }

  /** @throws FairleadError ERR_PROTOCOL where the frame is malformed, which ends the session. */
  receive(stream: Stream, frame: Frame): void {
    if (frame.type === frameTypes.DATA) this.onData(stream, frame.argument, frame.payload);
    else if (frame.type === frameTypes.CREDIT) this.onCredit(stream, frame);
    else if (frame.type === frameTypes.FIN) this.onFin(stream, frame.argument);
    else if (frame.type === frameTypes.SYNC) this.onSync(stream, frame);
    else this.onAccept(stream, frame);
  }

  /** `bytes` more are with the reader, or fewer. */
  hold(bytes: number): void {
    this.bufferedBytes += bytes;
    if (this.limits.memory !== undefined) this.limits.memory.heldBytes += bytes;
  }

  /** The limit that came with OPEN. */
  grantAtOpen(stream: Stream, limit: number): void {
    stream.send.limit = 0;
    this.acknowledge(stream, 0, limit);
  }

  private onAccept(stream: Stream, frame: Frame): void {
    if (this.role !== 'dialer') throw new FairleadError('ERR_PROTOCOL', 'an ACCEPT from a dialer');
    if (stream.state !== 'opening') return;
    const remote = decodeAccept(frame.payload);
    stream.state = 'open';
    stream.openKnown = true;
    stream.due &= ~due.open;
    stream.announcement = nothing;
    if (this.acknowledge(stream, stream.send.acked, frame.argument)) stream.handler.accepted?.(remote);
  }

  private onData(stream: Stream, offset: number, payload: Uint8Array): void {
    const half = stream.receive;
    const end = offset + payload.length;
    if (end > half.limit || (half.finalOffset !== undefined && end > half.finalOffset)) {
      this.events.refuse(stream, 'ERR_FLOW_CONTROL', 'data beyond the credit granted');
    } else if (offset > half.received || stream.state === 'opening') {
      // Without ACCEPT the application does not know whom it talks to: both must come again, in order.
      this.reportGap(stream);
    } else if (end <= half.received) {
      this.duplicates += 1;
    } else {
      this.deliver(stream, offset === half.received ? payload : payload.subarray(half.received - offset));
    }
  }

  private deliver(stream: Stream, fresh: Uint8Array): void {
    const isOver = this.bufferedBytes + fresh.length > this.limits.maxBufferedBytes;
    if (isOver || !this.events.mayHold(fresh.length)) {
      const whose = isOver ? 'the session buffers' : 'all sessions together buffer';
      this.events.refuse(stream, 'ERR_BUFFER_LIMIT', `${whose} too much that nobody reads`);
      return;
    }
    this.hold(fresh.length);
    if (fresh.length > shortBytes) this.outbound.conversation.carriesBulk(stream);
    else this.outbound.converse(stream);
    stream.receive.received += fresh.length;
    this.events.oweAcknowledgement(stream, fresh.length);
    // A short payload must not keep a long message alive: credit counts payload bytes only.
    stream.handler.data(fresh.length * 2 < this.messageBytes ? fresh.slice() : fresh);
  }

  private onFin(stream: Stream, offset: number): void {
    const half = stream.receive;
    if (half.finalOffset !== undefined) {
      if (half.finalOffset !== offset) {
        this.events.refuse(stream, 'ERR_PROTOCOL', 'a second FIN at another offset');
        return;
      }
      this.duplicates += 1;
      this.outbound.owe(stream, due.credit);
    } else if (offset < half.received) {
      this.events.refuse(stream, 'ERR_PROTOCOL', 'a FIN before bytes that came already');
    } else if (offset > half.limit) {
      this.events.refuse(stream, 'ERR_FLOW_CONTROL', 'a FIN beyond the credit granted');
    } else if (offset > half.received || stream.state === 'opening') {
      this.reportGap(stream);
    } else {
      half.finalOffset = offset;
      half.received = offset + 1;
      this.outbound.owe(stream, due.credit);
      stream.handler.end();
      this.events.endIfDone(stream);
    }
  }

  private onCredit(stream: Stream, frame: Frame): void {
    if (frame.payload.length < 8) throw new FairleadError('ERR_PROTOCOL', 'a CREDIT cut short');
    stream.openKnown = true;
    this.acknowledge(stream, readU64(frame.payload, 0), frame.argument);
  }

  private onSync(stream: Stream, frame: Frame): void {
    if (frame.payload.length < syncPayloadBytes) throw new FairleadError('ERR_PROTOCOL', 'a SYNC cut short');
    const received = frame.argument;
    const limit = readU64(frame.payload, 0);
    const peerSent = readU64(frame.payload, 8);
    const flags = frame.payload[16] as number;
    stream.openKnown = true;
    if (!this.acknowledge(stream, received, limit)) return;
    if (stream.held) {
      stream.held = false;
      this.noteRewind(stream, received);
      this.outbound.schedule(stream);
    } else if (flags & syncFlags.resend) {
      this.resend(stream, received);
    }
    if (flags !== 0 && this.role === 'agent' && stream.state === 'open')
      this.outbound.owe(stream, due.accept);
    const isGap = peerSent > stream.receive.received;
    if (flags & syncFlags.ask) this.outbound.oweSync(stream, isGap ? syncFlags.resend : 0);
    else if (isGap) this.reportGap(stream);
  }

  /** The peer has everything below `received` and allows offsets below `limit`. False where that ended the stream. */
  private acknowledge(stream: Stream, received: number, limit: number): boolean {
    const half = stream.send;
    if (received > half.sent) {
      this.events.refuse(stream, 'ERR_PROTOCOL', 'an acknowledgement of bytes that were never sent');
      return false;
    }
    if (limit > Math.max(received, half.acked) + maxCreditBytes + initialWindowBytes) {
      this.events.refuse(stream, 'ERR_FLOW_CONTROL', 'credit over the maximum');
      return false;
    }
    const more = limit > half.limit;
    if (more) half.limit = limit;
    if (this.outbound.acknowledged(stream, received) || more) moved(stream, this.events.now());
    this.outbound.schedule(stream);
    this.outbound.relieve(stream);
    this.events.endIfDone(stream);
    return stream.live;
  }

  private reportGap(stream: Stream): void {
    const half = stream.receive;
    const now = this.events.now();
    if (half.gapAt === half.received && now - half.gapReportedAtMs < this.unsettled.patienceMs) return;
    half.gapAt = half.received;
    half.gapReportedAtMs = now;
    this.gaps += 1;
    this.outbound.oweSync(stream, syncFlags.resend);
  }

  private resend(stream: Stream, from: number): void {
    const half = stream.send;
    if (from < half.acked || from >= half.cursor) return;
    // One loss may be reported twice; sending twice within a round trip would only double the load.
    const roundTripMs = Math.max(5, this.outbound.window.recentRttMs);
    if (stream.rewoundTo === from && this.events.now() - stream.rewoundAtMs < roundTripMs) return;
    this.noteRewind(stream, from);
    this.outbound.rewind(stream, from);
    this.outbound.schedule(stream);
  }

  private noteRewind(stream: Stream, to: number): void {
    stream.rewoundTo = to;
    stream.rewoundAtMs = this.events.now();
  }
}
