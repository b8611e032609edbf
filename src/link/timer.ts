// One session's wake-up call as one timer of the runtime, armed again only when it must ring earlier.

import { inBackground } from './background.ts';

export class WakeTimer {
  private readonly ring: () => void;
  private armedForMs = Number.POSITIVE_INFINITY;
  private timer: NodeJS.Timeout | undefined;

  constructor(ring: () => void) {
    this.ring = ring;
  }

  /** Rings at this time of `performance.now()` or soon after; a later time than is armed costs nothing. */
  wakeAt(atMs: number): void {
    if (atMs >= this.armedForMs) return;
    clearTimeout(this.timer);
    this.armedForMs = atMs;
    const delayMs = Math.max(1, Math.ceil(atMs - performance.now()));
    this.timer = inBackground(
      setTimeout(() => {
        this.armedForMs = Number.POSITIVE_INFINITY;
        this.ring();
      }, delayMs),
    );
  }

  stop(): void {
    clearTimeout(this.timer);
    this.armedForMs = Number.POSITIVE_INFINITY;
  }
}
