// When to look for what is to take the place of a token or certificate that is going to end.

import { inBackground } from './background.ts';

/** The part of its life that may pass first. */
const patience = 0.8;
/** Least time between two looks, in ms. */
const minWaitMs = 500;
/** The longest that a timer can wait, in ms. */
const maxTimerMs = 2 ** 31 - 1;

export class RenewalTimer {
  private readonly look: () => void;
  private timer: NodeJS.Timeout | undefined;

  constructor(look: () => void) {
    this.look = look;
  }

  /** Looks in time before `endsAtMs`, milliseconds since the epoch, or as soon as may be; undefined: never. */
  waitFor(endsAtMs: number | undefined): void {
    this.stop();
    if (endsAtMs === undefined) return;
    const waitMs = Math.max(minWaitMs, (endsAtMs - Date.now()) * patience);
    this.timer = inBackground(setTimeout(this.look, Math.min(waitMs, maxTimerMs)));
  }

  stop(): void {
    clearTimeout(this.timer);
  }
}
