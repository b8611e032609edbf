// What one side of a stream has received, and the credit it has granted. Nothing is kept out of order: a
// gap is asked for again. Invariant: consumed ≤ received (less FIN) ≤ limit; limit never shrinks.

import { initialWindowBytes } from './limits.ts';

export class ReceiveHalf {
  /** Everything below has come; one more than the last byte once FIN has. */
  received = 0;
  /** Bytes the reader has taken. */
  consumed = 0;
  /** The peer may send offsets below this. */
  limit: number;
  windowBytes: number;
  /** Offset after the last byte, once FIN told it. */
  finalOffset: number | undefined;
  /** What the last acknowledgement said. */
  ackedTo = 0;
  /** Where a gap was last reported, so that one loss is asked for once. */
  gapAt = -1;
  gapReportedAtMs = 0;

  private growthFrom = 0;
  private growthSinceMs: number;

  constructor(windowBytes: number, nowMs: number) {
    this.windowBytes = windowBytes;
    this.limit = windowBytes;
    this.growthSinceMs = nowMs;
  }

  get ended(): boolean {
    return this.finalOffset !== undefined && this.received > this.finalOffset;
  }

  get buffered(): number {
    return (this.ended ? this.received - 1 : this.received) - this.consumed;
  }

  /** Granted beyond the first size; counted against the session's pool. */
  get grownBytes(): number {
    return this.windowBytes - initialWindowBytes;
  }

  /**
   * Counts what the reader took and grows the window where it was taken faster than credit can come round:
   * half a window in less than `pathMs`. Answers by how many bytes the window grew, at most `poolBytes`.
   */
  consume(bytes: number, nowMs: number, pathMs: number, maxWindowBytes: number, poolBytes: number): number {
    this.consumed += bytes;
    const half = this.windowBytes / 2;
    if (this.consumed - this.growthFrom < half) return 0;
    const fast = nowMs - this.growthSinceMs < pathMs;
    this.growthFrom = this.consumed;
    this.growthSinceMs = nowMs;
    if (!fast) return 0;
    const grown = Math.min(this.windowBytes, maxWindowBytes - this.windowBytes, poolBytes);
    if (grown <= 0) return 0;
    this.windowBytes += grown;
    return grown;
  }

  /** The limit as it can be granted now. */
  grant(): number {
    this.limit = Math.max(this.limit, this.consumed + this.windowBytes);
    this.ackedTo = this.received;
    return this.limit;
  }

  /** Credit that the peer does not know of yet, worth a frame of its own: a quarter of the window. */
  get creditDue(): boolean {
    return this.consumed + this.windowBytes - this.limit >= this.windowBytes / 4;
  }
}
