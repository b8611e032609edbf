// How much one session keeps in flight: twice what the path was measured to carry in a round trip, and a
// little more for the time that processes take. More would only queue in front of other streams' bytes.
// While somebody converses beside bulk it is less: what the path carried of late, and no slack.
// Delivery-rate and round-trip filters after BBR (draft-ietf-ccwg-bbr, §5.5), without its pacing.

const initialBytes = 262_144;
/** While somebody converses: three frames of bulk, so that one is under way on either hop and one with its reader. */
const leastBytes = 131_072;
/** What scheduling of three processes takes besides the wire, in ms: measured in docs/performance.md. */
const slackMs = 2;
/** Acknowledgements come in bursts: a rate over less than this, in ms, is a rate of bursts. */
const shortestRoundMs = 2;
const remembered = 8;
/** Rounds over which the rate of late is taken. Twice of it still grows where every round carries more. */
const lateRounds = 4;

export class PathWindow {
  /** May be in flight at once. */
  bytes = initialBytes;
  /** The same while somebody converses beside bulk. */
  shallowBytes = initialBytes;
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

  private readonly lateBytes = new Float64Array(lateRounds);
  private readonly lateMs = new Float64Array(lateRounds);
  private lateRound = 0;

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
    this.shallowBytes = initialBytes;
    this.priorRttMs = this.recentRttMs;
    this.minRttMs = undefined;
    this.rates.fill(0);
    this.lateBytes.fill(0);
    this.lateMs.fill(0);
    this.bestRate = 0;
    this.roundTarget = -1;
  }

  /** `bytes` were acknowledged; `inFlight` remain of the `allowed`. */
  acknowledged(bytes: number, inFlight: number, allowed: number, nowMs: number): void {
    this.acked += bytes;
    const elapsedMs = nowMs - this.roundStartMs;
    const isOver = this.acked >= this.roundTarget && elapsedMs >= shortestRoundMs;
    if (this.roundTarget >= 0 && !isOver) return;
    if (this.roundTarget >= 0) this.endRound(elapsedMs);
    this.roundTarget = inFlight > 0 ? this.acked + inFlight : -1;
    this.roundStartMs = nowMs;
    this.roundAcked = this.acked;
    this.roundFull = inFlight >= allowed / 2;
  }

  private endRound(elapsedMs: number): void {
    const bytes = this.acked - this.roundAcked;
    const rate = bytes / elapsedMs;
    // A round that the writer did not fill says nothing about the path, unless it was the fastest yet.
    if (this.roundFull || rate > this.bestRate) {
      this.rates[this.round % remembered] = rate;
      this.round += 1;
      this.bestRate = Math.max(...this.rates);
    }
    const rttMs = this.minRttMs ?? elapsedMs;
    this.bytes = Math.max(initialBytes, this.bestRate * (2 * rttMs + slackMs));
    if (this.roundFull)
      this.shallowBytes = Math.max(leastBytes, this.rateOfLate(bytes, elapsedMs) * 2 * rttMs);
  }

  /** Bytes by time, so that acknowledgements which come in a burst count with the wait before it. */
  private rateOfLate(bytes: number, elapsedMs: number): number {
    const at = this.lateRound % lateRounds;
    this.lateRound += 1;
    this.lateBytes[at] = bytes;
    this.lateMs[at] = elapsedMs;
    return sum(this.lateBytes) / sum(this.lateMs);
  }

  /** Bytes in flight were given up (resent or reset): the round under way can no longer end. */
  forgetRound(): void {
    this.roundTarget = -1;
  }
}

function sum(values: Float64Array): number {
  let total = 0;
  for (const value of values) total += value;
  return total;
}
