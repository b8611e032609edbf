// Turns for dials: what one session asks for beyond its rate waits, and what is taken back meanwhile costs nothing. So
// that one session's flood of streams does not take the time of all others. Holds one entry for each OPEN that waits.

import { Fifo } from '../protocol/fifo.ts';

/** Turns that may be taken at once after a pause, as a share of a second's. */
const burstShare = 0.1;
const lookEveryMs = 5;

export class DialPacer {
  private readonly perMs: number;
  private readonly most: number;
  private readonly waiting = new Fifo<() => boolean>();
  private turns: number;
  private countedAtMs: number;
  private timer: NodeJS.Timeout | undefined;

  constructor(perSecond: number, nowMs = performance.now()) {
    this.perMs = perSecond / 1000;
    this.most = Math.max(1, perSecond * burstShare);
    this.turns = this.most;
    this.countedAtMs = nowMs;
  }

  /** Calls `start` when its turn has come, now or later. It answers false where it has no use for it any more. */
  run(start: () => boolean): void {
    this.waiting.push(start);
    if (this.timer === undefined) this.drain();
  }

  /** Nobody waits any longer: calls all that did, for whom it is too late. */
  stop(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    for (let start = this.waiting.shift(); start !== undefined; start = this.waiting.shift()) start();
  }

  private drain(): void {
    const nowMs = performance.now();
    this.turns = Math.min(this.most, this.turns + (nowMs - this.countedAtMs) * this.perMs);
    this.countedAtMs = nowMs;
    while (this.turns >= 1) {
      const start = this.waiting.shift();
      if (start === undefined) return;
      if (start()) this.turns -= 1;
    }
    if (this.waiting.length === 0) return;
    this.timer = setTimeout(() => {
      this.timer = undefined;
      this.drain();
    }, lookEveryMs);
  }
}
