// How long things have been in a state, all together: for each that is in it, the time since it came. Reading costs
// the same however many there are.

export class Stopwatch<Key> {
  readonly #now: () => number;
  /** When each came, in milliseconds. */
  readonly #since = new Map<Key, number>();
  #endedMs = 0;
  #sumOfStartsMs = 0;

  /** `now` is in milliseconds. */
  constructor(now: () => number) {
    this.#now = now;
  }

  get running(): number {
    return this.#since.size;
  }

  get seconds(): number {
    return (this.#endedMs + this.#since.size * this.#now() - this.#sumOfStartsMs) / 1000;
  }

  start(key: Key): void {
    if (this.#since.has(key)) return;
    const now = this.#now();
    this.#since.set(key, now);
    this.#sumOfStartsMs += now;
  }

  /** Whether it ran or not. */
  stop(key: Key): void {
    const since = this.#since.get(key);
    if (since === undefined) return;
    this.#since.delete(key);
    this.#sumOfStartsMs -= since;
    this.#endedMs += this.#now() - since;
    // Sums of fractions drift: nothing that runs has no start.
    if (this.#since.size === 0) this.#sumOfStartsMs = 0;
  }
}
