// Mixed work on every route until it is told to stop: streams with a little to say for minutes, bulk, short dials with
// a reply after their half-close, and streams that are idle. Counts what came of each, and forgives no byte.

import { setMaxListeners } from 'node:events';
import { exchange, type Outcome, type Plan, pause } from './exchange.ts';
import type { Route } from './routes.ts';

export interface Tally {
  bytes: number;
  exact: Record<string, number>;
  /** No stream came to be, soon after something had come or gone. */
  refused: number;
  /** None came to be though nothing had: a dial that took too long, where the machine has other work. */
  refusedInCalm: number;
  /** They ended with the agent or dialer that held them. */
  endedWithProcess: number;
  /** What must never be. */
  faults: string[];
}

/** Who is refused asks again after a while. */
const afterFailureMs = 4000;

interface Job {
  readonly name: string;
  /** So many at once on each route … */
  readonly atOnce: number;
  /** … and so long between the end of one and the next, more or less. */
  readonly everyMs: number;
  plan(random: () => number): Plan;
}

/** None lives longer than a minute: what outlives a broker's restart keeps a session of its own, and looks like growth. */
const jobs: readonly Job[] = [
  ...(['d', 'u', 'e'] as const).map((kind) => ({
    name: 'paced',
    atOnce: 1,
    everyMs: 200,
    plan: (random: () => number) => ({
      kind,
      pieces: between(25, 150, random),
      pieceBytes: 1500,
      pauseMs: 400,
    }),
  })),
  {
    name: 'bulk',
    atOnce: 1,
    everyMs: 25_000,
    plan: (random) => ({ kind: upOrEcho(random), pieces: 16, pieceBytes: 65_536, pauseMs: 0 }),
  },
  {
    name: 'short',
    atOnce: 2,
    everyMs: 1000,
    plan: (random) => ({
      kind: upOrEcho(random),
      pieces: 1,
      pieceBytes: between(1, 4000, random),
      pauseMs: 0,
    }),
  },
  {
    name: 'idle',
    atOnce: 8,
    everyMs: 500,
    plan: (random) => ({ kind: 'e', pieces: 2, pieceBytes: 1, pauseMs: between(10_000, 30_000, random) }),
  },
];

export class Work {
  readonly tally: Tally = {
    bytes: 0,
    exact: {},
    refused: 0,
    refusedInCalm: 0,
    endedWithProcess: 0,
    faults: [],
  };
  private readonly isCalm: () => boolean;
  private readonly loops: Promise<void>[];
  private readonly stopping = new AbortController();

  /** `isCalm`: nothing has come or gone for so long that a dial has no excuse. */
  constructor(routes: readonly Route[], isCalm: () => boolean, random: () => number) {
    this.isCalm = isCalm;
    const places = jobs.flatMap((job) => Array.from({ length: job.atOnce }, () => job));
    // Every pause and every stream listens to it.
    setMaxListeners(0, this.stopping.signal);
    this.loops = routes.flatMap((route) => places.map((job) => this.repeat(route, job, random)));
  }

  /** Lets every stream come to its end, and checks it. */
  async finish(): Promise<void> {
    this.stopping.abort();
    await Promise.all(this.loops);
  }

  private async repeat(route: Route, { name, everyMs, plan }: Job, random: () => number): Promise<void> {
    const { signal } = this.stopping;
    await pause(random() * everyMs, signal);
    while (!signal.aborted) {
      const isExact = await this.once(route, name, plan(random));
      await pause((isExact ? everyMs : Math.max(everyMs, afterFailureMs)) * (0.5 + random()), signal);
    }
  }

  private async once(route: Route, name: string, plan: Plan): Promise<boolean> {
    const { tally } = this;
    const { mortals } = route;
    const generations = (): number => mortals.reduce((sum, { generation }) => sum + generation, 0);
    const before = generations();
    const outcome = await this.outcomeOf(route, plan);
    const fault = (what: string): void => {
      tally.faults.push(`${route.name}, ${name} (${plan.kind}): ${what} at ${new Date().toISOString()}`);
    };
    if (outcome.is === 'exact') tally.exact[name] = (tally.exact[name] ?? 0) + 1;
    else if (outcome.is === 'wrong') fault(outcome.why);
    else if (generations() !== before || mortals.some(({ isAway }) => isAway)) tally.endedWithProcess += 1;
    else if (outcome.is === 'short') fault(outcome.why);
    else if (outcome.is === 'hung') fault('hung');
    else if (outcome.began) fault('lost');
    else if (this.isCalm()) tally.refusedInCalm += 1;
    else tally.refused += 1;
    return outcome.is === 'exact';
  }

  private async outcomeOf({ open }: Route, plan: Plan): Promise<Outcome> {
    try {
      const socket = await open();
      return await exchange(socket, plan, this.stopping.signal, (bytes) => {
        this.tally.bytes += bytes;
      });
    } catch {
      return { is: 'cut', began: false };
    }
  }
}

function upOrEcho(random: () => number): Plan['kind'] {
  return random() < 0.5 ? 'u' : 'e';
}

function between(least: number, most: number, random: () => number): number {
  return Math.round(least + random() * (most - least));
}
