// How long a piece of work keeps everything else in its process waiting. In CPU time, since the machine may be shared:
// on one that is idle it is the time that passes.

export interface Cost {
  /** Longest piece without a turn of the event loop, in ms. */
  readonly blockMs: number;
  readonly cpuMs: number;
}

const lookEveryMs = 1;

/** Runs `work` and looks, every millisecond, how much was done since the last look. */
export async function costOf(work: () => unknown): Promise<Cost> {
  const begun = cpuMs();
  let last = begun;
  let blockMs = 0;
  const look = () => {
    const now = cpuMs();
    blockMs = Math.max(blockMs, now - last);
    last = now;
  };
  const timer = setInterval(look, lookEveryMs);
  await work();
  look();
  clearInterval(timer);
  return { blockMs, cpuMs: last - begun };
}

/** CPU of `work` alone: looking every millisecond takes more than what is idle. */
export async function cpuMsOf(work: () => unknown): Promise<number> {
  const begun = cpuMs();
  await work();
  return cpuMs() - begun;
}

function cpuMs(): number {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
}
