// How often something may come from one source. However many sources there are, the table has a fixed size:
// a source counts under a slot that it cannot choose, and shares it with few others.

import { createHash, randomBytes } from 'node:crypto';
import { RateLimiterMemory, type RateLimiterRes } from 'rate-limiter-flexible';

/**
 * Slots are two bytes of a hash with a key of this process: with 65,536 of them, a flood from a thousand sources
 * catches one bystander in 65.
 */
const slotDigits = 4;

export class SourceRate {
  readonly #limiter: RateLimiterMemory;
  readonly #most: number;
  readonly #key = randomBytes(16);

  /** At most `most` in any `seconds` that begin with a source's first. */
  constructor(most: number, seconds: number) {
    this.#most = most;
    this.#limiter = new RateLimiterMemory({ points: most, duration: seconds });
  }

  /** Counts one; answers 0, or for how many milliseconds no other is allowed. */
  async take(source: string): Promise<number> {
    try {
      await this.#limiter.consume(this.#slot(source));
      return 0;
    } catch (refused) {
      return Math.max(1, (refused as RateLimiterRes).msBeforeNext);
    }
  }

  /** As {@link take}, but only looks. */
  async waitMs(source: string): Promise<number> {
    const seen = await this.#limiter.get(this.#slot(source));
    return seen !== null && seen.consumedPoints >= this.#most ? Math.max(1, seen.msBeforeNext) : 0;
  }

  #slot(source: string): string {
    return createHash('sha256').update(this.#key).update(source).digest('hex').slice(0, slotDigits);
  }
}
