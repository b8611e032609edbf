// Principals that broke a rate, who may begin no session for a while: else a flood would go on in the next one.

/** How long, in ms. */
const penaltyMs = 10_000;
/** Remembered at most; the oldest is forgotten first. */
const most = 1024;

export class Penalties {
  /** Until when, in the caller's milliseconds, the oldest first. */
  readonly #until = new Map<string, number>();

  punish(principal: string, nowMs: number): void {
    this.#until.delete(principal);
    this.#until.set(principal, nowMs + penaltyMs);
    const [oldest] = this.#until.keys();
    if (this.#until.size > most && oldest !== undefined) this.#until.delete(oldest);
  }

  isPunished(principal: string, nowMs: number): boolean {
    const until = this.#until.get(principal);
    if (until === undefined) return false;
    if (nowMs < until) return true;
    this.#until.delete(principal);
    return false;
  }
}
