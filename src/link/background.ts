// Timers that do not keep a process alive. Where there is no process, in a browser, they are plain timers.

/** Answers the timer: `this.#timer = inBackground(setTimeout(…))`. */
export function inBackground<Timer extends NodeJS.Timeout | number>(timer: Timer): Timer {
  // A browser's timer is a number.
  if (typeof timer === 'object') timer.unref();
  return timer;
}
