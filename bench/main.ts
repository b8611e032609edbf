// `npm run bench -- [--engine memory|nats|edge | --e2e] [--rounds N] [--mib N] [--quick] [--json FILE]`: Fairlead beside a
// chain of three plain TCP relays in Node, or another engine or streams encrypted end to end beside the memory engine
// and plain streams; in turn, in one run. Prints ratios, which hold better than figures.

import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { download, newStreams, roundTrips, upload } from './load.ts';
import { cpuSeconds, type Engine, engines, type Path, Processes } from './processes.ts';

interface Row {
  readonly name: string;
  readonly unit: string;
  readonly subject: number[];
  readonly baseline: number[];
  /** How the subject stands to the baseline: of speeds the quotient, of costs the quotient of costs. */
  readonly ratio: number;
}

const { values } = parseArgs({
  options: {
    engine: { type: 'string', default: 'memory' },
    e2e: { type: 'boolean', default: false },
    rounds: { type: 'string' },
    mib: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const rounds = Number(values.rounds ?? (values.quick ? 2 : 5));
const bytes = Number(values.mib ?? (values.quick ? 128 : 512)) * 1024 * 1024;
const scale = values.quick ? 0.25 : 1;

if (!engines.some((name) => name === values.engine)) {
  process.stderr.write(`--engine is one of ${engines.join(', ')}\n`);
  process.exit(2);
}
/** What is measured against the memory engine; undefined: the memory engine itself, against the chain. */
const engine: Engine | undefined = engines.find((name) => name === values.engine && name !== 'memory');
const isBesideChain = engine === undefined && !values.e2e;
const names = {
  baseline: isBesideChain ? 'chain' : 'memory',
  subject: values.e2e ? 'e2e' : (engine ?? 'fairlead'),
};
const processes = new Processes();
for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const)
  process.on(signal, () => {
    processes.end();
    process.exit(code);
  });

try {
  const target = await processes.target();
  const baseline = isBesideChain
    ? await processes.chain(target.port)
    : await processes.fairlead('memory', target.port);
  const subject = await processes.fairlead(engine ?? 'memory', target.port, values.e2e);
  const both = [baseline, subject];
  const rows: Row[] = [];
  const report = (row: Row) => {
    rows.push(row);
    process.stdout.write(`${describe(row)}\n`);
  };

  process.stdout.write(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}; `);
  process.stdout.write(`${rounds} rounds, ${bytes >> 20} MiB; median (least–most)\n`);
  // First, while nothing else has grown what is measured.
  if (engine !== undefined) {
    const figures: Figures<number> = { baseline: [], subject: [] };
    for (const [path, list] of [
      [baseline, figures.baseline],
      [subject, figures.subject],
    ] as const)
      list.push(await processes.idleNodes(path, Math.ceil(1000 * scale)));
    report(costRow('memory per idle node', 'KiB', figures));
  }

  for (const path of both) await download(path.port, bytes / 4);
  const direct = await download(target.port, bytes);
  process.stdout.write(`direct loopback ${direct.toFixed(0)} MB/s: the load is not the bottleneck\n`);

  const cpu: Record<string, number> = {};
  for (const [name, work] of [
    ['bulk down', download],
    ['bulk up', upload],
  ] as const) {
    const before = totals(both);
    const figures = await inTurn(baseline, subject, (path) => work(path.port, bytes));
    const after = totals(both);
    report({ name, unit: 'MB/s', ...figures, ratio: median(figures.subject) / median(figures.baseline) });
    const gigabytes = (rounds * bytes) / 1e9;
    for (const key of Object.keys(after))
      cpu[`${name} ${key}`] = ((after[key] ?? 0) - (before[key] ?? 0)) / gigabytes;
  }

  const pings = Math.ceil(2000 * scale);
  for (const path of both) await roundTrips(path.port, 200);
  const idle = await inTurn(baseline, subject, (path) => roundTrips(path.port, pings));
  for (const [name, at] of [
    ['round trip p50', 0.5],
    ['round trip p99', 0.99],
  ] as const) {
    report(costRow(name, 'µs', percentiles(idle, at)));
  }
  const beside = await inTurn(baseline, subject, (path) => besideBulk(path, Math.ceil(300 * scale)));
  report(costRow('round trip p99 beside bulk', 'µs', percentiles(beside, 0.99)));

  for (const parallel of [1, 32]) {
    const count = Math.ceil(1000 * scale);
    for (const path of both) await newStreams(path.port, parallel, count / 4);
    const figures = await inTurn(baseline, subject, (path) => newStreams(path.port, parallel, count));
    report({
      name: `new streams, ${parallel} at once`,
      unit: '1/s',
      ...figures,
      ratio: median(figures.subject) / median(figures.baseline),
    });
  }

  process.stdout.write('\nCPU seconds per GB\n');
  for (const [key, seconds] of Object.entries(cpu))
    process.stdout.write(`  ${key.padEnd(28)} ${seconds.toFixed(2)}\n`);
  if (values.json !== undefined)
    writeFileSync(values.json, `${JSON.stringify({ rows, cpu, direct }, null, 2)}\n`);
} finally {
  processes.end();
}

interface Figures<T> {
  readonly baseline: T[];
  readonly subject: T[];
}

async function inTurn<T>(
  baseline: Path,
  subject: Path,
  work: (path: Path) => Promise<T>,
): Promise<Figures<T>> {
  const figures: Figures<T> = { baseline: [], subject: [] };
  for (let round = 0; round < rounds; round += 1) {
    figures.baseline.push(await work(baseline));
    figures.subject.push(await work(subject));
  }
  return figures;
}

/** Round trips on one connection while another downloads without a pause. */
async function besideBulk(path: Path, count: number): Promise<number[]> {
  let stop = false;
  const bulk = (async () => {
    while (!stop) await download(path.port, bytes / 4);
  })();
  const times = await roundTrips(path.port, count);
  stop = true;
  await bulk;
  return times;
}

function percentiles(all: Figures<number[]>, at: number): Figures<number> {
  const pick = (times: number[]) => times[Math.min(times.length - 1, Math.floor(times.length * at))] ?? 0;
  return { baseline: all.baseline.map(pick), subject: all.subject.map(pick) };
}

function costRow(name: string, unit: string, figures: Figures<number>): Row {
  return { name, unit, ...figures, ratio: median(figures.subject) / median(figures.baseline) };
}

function totals(paths: readonly Path[]): Record<string, number> {
  const seconds: Record<string, number> = {};
  for (const { name, processes: started } of paths) {
    for (const [role, process] of Object.entries(started)) seconds[`${name} ${role}`] = cpuSeconds(process);
  }
  return seconds;
}

function median(figures: readonly number[]): number {
  return [...figures].sort((a, b) => a - b)[figures.length >> 1] ?? 0;
}

function describe({ name, unit, subject: of, baseline: to, ratio }: Row): string {
  const show = (figures: readonly number[]) =>
    `${median(figures).toFixed(0)} (${Math.min(...figures).toFixed(0)}–${Math.max(...figures).toFixed(0)})`;
  return `${name.padEnd(28)} ${names.subject} ${show(of).padEnd(20)} ${names.baseline} ${show(to).padEnd(20)} ${unit.padEnd(5)} ratio ${ratio.toFixed(2)}`;
}
