// The workloads, each over every subject in turn, round by round, after a warm-up: what slows the machine down for a
// while slows all of them.

import type { Cost, Row } from './figures.ts';
import type { BenchOptions } from './options.ts';
import { cpuSeconds, type Path, type Processes } from './processes.ts';
import { profile } from './profile.ts';
import { describeCost, describeMemory, describeRow } from './report.ts';
import { startFairlead } from './subjects/fairlead.ts';
import { fairleads, startSubject } from './subjects/index.ts';
import { bulk } from './workloads/bulk.ts';
import { type IdleMemory, idleAgents, idleSockets, idleStreams, idleWebSockets } from './workloads/memory.ts';
import { newStreams } from './workloads/new-streams.ts';
import { percentile, roundTrips, roundTripsBesideBulk } from './workloads/round-trips.ts';

export interface Outcome {
  readonly rows: Row[];
  readonly costs: Cost[];
  readonly memory: Record<string, IdleMemory[]>;
}

/** Longest that one piece of work may take, in ms. */
const limitMs = 60_000;

export async function runBench(
  processes: Processes,
  options: BenchOptions,
  print: (text: string) => void,
): Promise<Outcome> {
  const outcome: Outcome = { rows: [], costs: [], memory: {} };
  const wants = (section: (typeof options.sections)[number]) => options.sections.includes(section);
  if (wants('memory')) await measureMemory(processes, options, outcome, print);
  if (!wants('bulk') && !wants('latency') && !wants('streams')) return outcome;

  const target = await processes.script('target-server');
  const paths: Path[] = [];
  for (const name of options.subjects) paths.push(await startSubject(processes, name, target));
  const describeProfile = options.profile ? await profile(paths) : undefined;
  const { rounds, bytes, scale } = options;
  const note = (row: Row) => {
    outcome.rows.push(row);
    print(describeRow(row, options.baseline));
  };
  const noteCost = (cost: Cost) => {
    outcome.costs.push(cost);
    print(describeCost(cost));
  };

  if (wants('bulk'))
    for (const streams of [1, 16, 128])
      for (const direction of ['down', 'up'] as const) {
        const work = (path: Path) => bulk(path.port, direction, bytes, streams);
        await inTurn(paths, 1, (path) => bulk(path.port, direction, bytes / 4, streams));
        const { figures, seconds } = await inTurn(paths, rounds, work);
        const workload = `bulk ${direction}, ${streams} ${streams === 1 ? 'stream' : 'streams'}`;
        note({ workload, unit: 'MB/s', better: 'more', figures });
        noteCost({ work: `a GB, ${workload}`, seconds: scaled(seconds, 1e9 / (rounds * bytes)) });
      }

  if (wants('latency'))
    for (const [where, measure, count] of [
      ['idle', roundTrips, 2000],
      ['beside bulk', roundTripsBesideBulk, 300],
    ] as const) {
      await inTurn(paths, 1, (path) => roundTrips(path.port, 200));
      const trips = Math.ceil(count * scale);
      const { figures } = await inTurn(paths, rounds, (path) => measure(path.port, trips));
      for (const [name, at] of [
        ['p50', 0.5],
        ['p99', 0.99],
      ] as const)
        note({
          workload: `round trip of 64 bytes, ${where}, ${name}`,
          unit: 'µs',
          better: 'less',
          figures: mapped(figures, (times) => percentile(times, at)),
        });
    }

  if (wants('streams'))
    for (const parallel of [1, 32]) {
      const count = Math.ceil(1000 * scale);
      await inTurn(paths, 1, (path) => newStreams(path.port, parallel, Math.ceil(count / 2)));
      const { figures, seconds } = await inTurn(paths, rounds, (path) =>
        newStreams(path.port, parallel, count),
      );
      const workload = `new streams, ${parallel} at once`;
      const perSecond = mapped(figures, (each) => each.perSecond);
      note({ workload, unit: '1/s', better: 'more', figures: perSecond });
      for (const [name, at] of [
        ['p50', 0.5],
        ['p99', 0.99],
      ] as const)
        note({
          workload: `${workload}, ${name}`,
          unit: 'µs',
          better: 'less',
          figures: mapped(figures, ({ times }) => percentile(times, at)),
        });
      noteCost({
        work: `1,000 dials, ${parallel} at once`,
        seconds: scaled(seconds, 1000 / (rounds * count)),
      });
    }
  if (describeProfile !== undefined) print(await describeProfile());
  return outcome;
}

async function measureMemory(
  processes: Processes,
  { subjects, scale }: BenchOptions,
  outcome: Outcome,
  print: (text: string) => void,
): Promise<void> {
  const note = (what: string, all: IdleMemory[]) => {
    outcome.memory[what] = all;
    print(describeMemory(what, all));
  };
  /** In processes of its own, which can be inspected: nothing else has grown what is measured. */
  const apart = async (work: (fresh: Processes) => Promise<IdleMemory>): Promise<IdleMemory> => {
    const fresh = processes.apart({ isInspected: true });
    try {
      return await work(fresh);
    } finally {
      fresh.kill();
    }
  };
  const [agentCount, streamCount] = [2000 * scale, 10_000 * scale];
  const agents: IdleMemory[] = [await apart((fresh) => idleWebSockets(fresh, agentCount))];
  const streams: IdleMemory[] = [await apart((fresh) => idleSockets(fresh, streamCount))];
  for (const [name, options] of Object.entries(fairleads)) {
    if (!subjects.includes(name)) continue;
    const start = async (fresh: Processes) =>
      startFairlead(fresh, name, (await fresh.script('target-server')).port, options);
    agents.push(await apart(async (fresh) => idleAgents(fresh, await start(fresh), agentCount)));
    streams.push(await apart(async (fresh) => idleStreams(fresh, await start(fresh), streamCount)));
  }
  note('idle agent, at the broker', agents);
  note('idle stream', streams);
}

interface Measured<T> {
  readonly figures: Record<string, T[]>;
  /** By subject and process, over all rounds. */
  readonly seconds: Record<string, Record<string, number>>;
}

async function inTurn<T>(
  paths: readonly Path[],
  rounds: number,
  work: (path: Path) => Promise<T>,
): Promise<Measured<T>> {
  const figures: Record<string, T[]> = {};
  const seconds: Record<string, Record<string, number>> = {};
  const hung = new Set<string>();
  for (let round = 0; round < rounds; round += 1) {
    for (const path of paths) {
      if (hung.has(path.name)) continue;
      const before = cpuBy(path);
      const figure = await limited(work(path));
      if (figure === undefined) {
        // Worth knowing, and no reason to wait for it again.
        hung.add(path.name);
        delete figures[path.name];
        continue;
      }
      figures[path.name] = [...(figures[path.name] ?? []), figure];
      const total = seconds[path.name] ?? {};
      for (const [role, after] of Object.entries(cpuBy(path)))
        total[role] = (total[role] ?? 0) + after - (before[role] ?? 0);
      seconds[path.name] = total;
    }
  }
  for (const name of hung) process.stdout.write(`${name}: did not come to its end in ${limitMs / 1000} s\n`);
  return { figures, seconds };
}

/** Undefined where it takes too long. */
async function limited<T>(work: Promise<T>): Promise<T | undefined> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<undefined>((resolve) => {
    timer = setTimeout(resolve, limitMs, undefined);
  });
  work.catch(() => {});
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function cpuBy({ processes }: Path): Record<string, number> {
  return Object.fromEntries(Object.entries(processes).map(([role, process]) => [role, cpuSeconds(process)]));
}

function scaled(
  seconds: Readonly<Record<string, Readonly<Record<string, number>>>>,
  factor: number,
): Record<string, Record<string, number>> {
  return Object.fromEntries(
    Object.entries(seconds).map(([name, byRole]) => [
      name,
      Object.fromEntries(Object.entries(byRole).map(([role, each]) => [role, each * factor])),
    ]),
  );
}

function mapped<T>(
  figures: Readonly<Record<string, T[]>>,
  pick: (one: T) => number,
): Record<string, number[]> {
  return Object.fromEntries(Object.entries(figures).map(([name, all]) => [name, all.map(pick)]));
}
