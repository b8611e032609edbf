// How much one session keeps in flight: twice what the path was measured to carry in a round trip, and a
// little more for the time that processes take. More would only queue in front of other streams' bytes.
// Delivery-rate and round-trip filters after BBR (draft-ietf-ccwg-bbr, §5.5), without its pacing.

const initialBytes = 262_144;
/** What scheduling of three processes takes besides the wire, in ms: measured in docs/performance.md. */
const slackMs = 2;
/** Acknowledgements come in bursts: a rate over less than this, in ms, is a rate of bursts. */
const shortestRoundMs = 2;
const remembered = 8;

export class PathWindow {
  /** May be in flight at once. */
  bytes = initialBytes;
  minRttMs: number | undefined;

  private readonly rates = new Float64Array(remembered);
  private round = 0;
  private roundStartMs = 0;
  private roundAcked = 0;
  private roundTarget = -1;
  private roundFull = false;
  /** Bytes per ms, the highest of the last rounds. */
  private bestRate = 0;
  private acked = 0;

  private priorRttMs = 0;

  /** The last round trip known, of this path or of the one before, or 0. */
  get recentRttMs(): number {
    return this.minRttMs ?? this.priorRttMs;
  }

  /** A measured round trip, from PING or from a round of data. */
  sample(rttMs: number): void {
    if (this.minRttMs === undefined || rttMs < this.minRttMs) this.minRttMs = rttMs;
  }

  /** Another path: what was measured no longer holds. */
  reset(): void {
    this.bytes = initialBytes;
    this.priorRttMs = this.recentRttMs;
    this.minRttMs = undefined;
    this.rates.fill(0);
    this.bestRate = 0;
    this.roundTarget = -1;
  }

  /** `bytes` were acknowledged; `inFlight` remain. */
  acknowledged(bytes: number, inFlight: number, nowMs: number): void {
    this.acked += bytes;
    const elapsedMs = nowMs - this.roundStartMs;
    const isOver = this.acked >= this.roundTarget && elapsedMs >= shortestRoundMs;
    if (this.roundTarget >= 0 && !isOver) return;
    if (this.roundTarget >= 0) this.endRound(elapsedMs);
    this.roundTarget = inFlight > 0 ? this.acked + inFlight : -1;
    this.roundStartMs = nowMs;
    this.roundAcked = this.acked;
    this.roundFull = inFlight >= this.bytes / 2;
  }

  private endRound(elapsedMs: number): void {
    const rate = (this.acked - this.roundAcked) / elapsedMs;
    // A round that the writer did not fill says nothing about the path, unless it was the fastest yet.
    if (this.roundFull || rate > this.bestRate) {
      this.rates[this.round % remembered] = rate;
      this.round += 1;
      this.bestRate = Math.max(...this.rates);
    }
    this.bytes = Math.max(initialBytes, this.bestRate * (2 * (this.minRttMs ?? elapsedMs) + slackMs));
  }

  /** Bytes in flight were given up (resent or reset): the round under way can no longer end. */
  forgetRound(): void {
    this.roundTarget = -1;
  }
}
