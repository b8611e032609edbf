// How late this process's event loop is, measured from the first time that somebody asks.

import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks';

const resolutionMs = 20;
/** How far back an answer looks, at least. */
const windowMs = 60_000;

export class EventLoopDelay {
  #histogram: IntervalHistogram | undefined;
  #since = 0;

  /** Nothing at first. */
  read(): { eventLoopP99Ms?: number } {
    const now = performance.now();
    if (this.#histogram === undefined) {
      this.#histogram = monitorEventLoopDelay({ resolution: resolutionMs });
      this.#histogram.enable();
      this.#since = now;
    }
    const { count } = this.#histogram;
    const p99 = this.#histogram.percentile(99) / 1e6;
    if (now - this.#since > windowMs) {
      this.#histogram.reset();
      this.#since = now;
    }
    // What is measured is the time between two looks: the pause between them is no delay.
    return count === 0 ? {} : { eventLoopP99Ms: Math.max(0, Math.round((p99 - resolutionMs) * 100) / 100) };
  }

  stop(): void {
    this.#histogram?.disable();
  }
}
