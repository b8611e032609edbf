// Puts this process's timers and clocks on virtual time, so that code which asks the runtime for them (the keeper, the
// agent) can be run by the hundred thousand.

import { Clock } from '../simulation/clock.ts';

class VirtualTimer {
  isCleared = false;
  ref(): this {
    return this;
  }
  unref(): this {
    return this;
  }
}

export class VirtualTime {
  readonly clock = new Clock();
  readonly #real = {
    setTimeout: globalThis.setTimeout,
    clearTimeout: globalThis.clearTimeout,
    setInterval: globalThis.setInterval,
    clearInterval: globalThis.clearInterval,
    dateNow: Date.now,
  };

  constructor() {
    const { clock } = this;
    const startedAtMs = Date.now();
    const later = (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
      const timer = new VirtualTimer();
      clock.after(ms, () => timer.isCleared || run(...args));
      return timer;
    };
    const again = (run: (...args: unknown[]) => void, ms = 0, ...args: unknown[]) => {
      const timer = new VirtualTimer();
      const ring = (): void => {
        if (timer.isCleared) return;
        clock.after(ms, ring);
        run(...args);
      };
      clock.after(ms, ring);
      return timer;
    };
    const clear = (timer: unknown) => {
      if (timer instanceof VirtualTimer) timer.isCleared = true;
    };
    Object.assign(globalThis, {
      setTimeout: later,
      setInterval: again,
      clearTimeout: clear,
      clearInterval: clear,
    });
    Date.now = () => startedAtMs + clock.now;
    performance.now = () => clock.now;
  }

  /** Runs what is due until `untilMs`, or until `isDone`. */
  async run(untilMs: number, isDone: () => boolean = () => false): Promise<void> {
    while (!isDone() && this.clock.step(untilMs)) {
      // What this step promised is kept before the next.
      await undefined;
    }
  }

  /** The runtime's own timers and clocks again. */
  end(): void {
    const { dateNow, ...timers } = this.#real;
    Object.assign(globalThis, timers);
    Date.now = dateNow;
    Reflect.deleteProperty(performance, 'now');
  }
}
