// Streams that wait for word from the peer: data, an OPEN or a RESET unconfirmed, credit run out, a SYNC not
// answered. A message may be lost without anybody noticing, so each is asked about, less and less often.

import { due, type Outbound, syncFlags } from './outbound.ts';
import type { Stream } from './stream.ts';

const leastMs = 250;
const doublings = 4;

export class Unsettled {
  /** When {@link probe} is due, in the session's milliseconds. */
  dueAtMs = Number.POSITIVE_INFINITY;
  probes = 0;
  private readonly streams = new Set<Stream>();
  private readonly outbound: Outbound;

  constructor(outbound: Outbound) {
    this.outbound = outbound;
  }

  /** How long a peer may take to answer, in ms. */
  get patienceMs(): number {
    return Math.max(leastMs, 3 * this.outbound.window.recentRttMs);
  }

  add(stream: Stream, nowMs: number): void {
    if (this.streams.has(stream)) return;
    this.streams.add(stream);
    moved(stream, nowMs);
    if (this.dueAtMs === Number.POSITIVE_INFINITY) this.dueAtMs = nowMs + this.patienceMs;
  }

  delete(stream: Stream): void {
    this.streams.delete(stream);
  }

  /** Asks about every stream that has not moved for a while; `canAsk` is false while the path is down. */
  probe(nowMs: number, canAsk: boolean): void {
    const everyMs = this.patienceMs;
    for (const stream of this.streams) {
      if (isSettled(stream)) this.streams.delete(stream);
      else if (canAsk && nowMs - stream.progressAtMs >= everyMs * 2 ** stream.probes) this.ask(stream, nowMs);
    }
    this.dueAtMs = this.streams.size > 0 ? nowMs + everyMs : Number.POSITIVE_INFINITY;
  }

  private ask(stream: Stream, nowMs: number): void {
    stream.progressAtMs = nowMs;
    stream.probes = Math.min(stream.probes + 1, doublings);
    this.probes += 1;
    if (stream.state === 'resetting') this.outbound.owe(stream, due.reset);
    else if (stream.state === 'opening' && !stream.openKnown) this.outbound.owe(stream, due.open);
    else this.outbound.oweSync(stream, stream.held ? syncFlags.ask | syncFlags.resend : syncFlags.ask);
  }
}

/** The peer has moved the stream on: questions start over. */
export function moved(stream: Stream, nowMs: number): void {
  stream.progressAtMs = nowMs;
  stream.probes = 0;
}

function isSettled(stream: Stream): boolean {
  if (stream.state === 'closed') return true;
  if (stream.state === 'resetting' || stream.state === 'opening' || stream.held) return false;
  return stream.send.acked >= stream.send.sent && !stream.send.blocked;
}
