// `npm run bench -- [--rounds N] [--mib N] [--quick] [--json FILE]`: Fairlead beside a chain of three plain TCP
// relays in Node, in turn, in one run. Prints ratios, which hold better than figures.

import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { download, newStreams, roundTrips, upload } from './load.ts';
import { cpuSeconds, type Path, Processes } from './processes.ts';

interface Row {
  readonly name: string;
  readonly unit: string;
  readonly fairlead: number[];
  readonly chain: number[];
  /** How Fairlead stands to the chain: of speeds the quotient, of costs the quotient of costs. */
  readonly ratio: number;
}

const { values } = parseArgs({
  options: {
    rounds: { type: 'string' },
    mib: { type: 'string' },
    quick: { type: 'boolean', default: false },
    json: { type: 'string' },
  },
});
const rounds = Number(values.rounds ?? (values.quick ? 2 : 5));
const bytes = Number(values.mib ?? (values.quick ? 128 : 512)) * 1024 * 1024;
const scale = values.quick ? 0.25 : 1;

const processes = new Processes();
process.on('SIGINT', () => {
  processes.end();
  process.exit(130);
});

try {
  const target = await processes.target();
  const chain = await processes.chain(target.port);
  const fairlead = await processes.fairlead(target.port);
  const rows: Row[] = [];
  const report = (row: Row) => {
    rows.push(row);
    process.stdout.write(`${describe(row)}\n`);
  };

  process.stdout.write(`${cpus()[0]?.model}, ${cpus().length} cores, Node ${process.version}; `);
  process.stdout.write(`${rounds} rounds, ${bytes >> 20} MiB; median (least–most)\n`);
  for (const path of [chain, fairlead]) await download(path.port, bytes / 4);
  const direct = await download(target.port, bytes);
  process.stdout.write(`direct loopback ${direct.toFixed(0)} MB/s: the load is not the bottleneck\n`);

  const cpu: Record<string, number> = {};
  for (const [name, work] of [
    ['bulk down', download],
    ['bulk up', upload],
  ] as const) {
    const before = totals([chain, fairlead]);
    const figures = await inTurn(chain, fairlead, (path) => work(path.port, bytes));
    const after = totals([chain, fairlead]);
    report({ name, unit: 'MB/s', ...figures, ratio: median(figures.fairlead) / median(figures.chain) });
    const gigabytes = (rounds * bytes) / 1e9;
    for (const key of Object.keys(after))
      cpu[`${name} ${key}`] = ((after[key] ?? 0) - (before[key] ?? 0)) / gigabytes;
  }

  const pings = Math.ceil(2000 * scale);
  for (const path of [chain, fairlead]) await roundTrips(path.port, 200);
  const idle = await inTurn(chain, fairlead, (path) => roundTrips(path.port, pings));
  for (const [name, at] of [
    ['round trip p50', 0.5],
    ['round trip p99', 0.99],
  ] as const) {
    report(costRow(name, 'µs', percentiles(idle, at)));
  }
  const beside = await inTurn(chain, fairlead, (path) => besideBulk(path, Math.ceil(300 * scale)));
  report(costRow('round trip p99 beside bulk', 'µs', percentiles(beside, 0.99)));

  for (const parallel of [1, 32]) {
    const count = Math.ceil(1000 * scale);
    for (const path of [chain, fairlead]) await newStreams(path.port, parallel, count / 4);
    const figures = await inTurn(chain, fairlead, (path) => newStreams(path.port, parallel, count));
    report({
      name: `new streams, ${parallel} at once`,
      unit: '1/s',
      ...figures,
      ratio: median(figures.fairlead) / median(figures.chain),
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

async function inTurn<T>(
  chain: Path,
  fairlead: Path,
  work: (path: Path) => Promise<T>,
): Promise<{ chain: T[]; fairlead: T[] }> {
  const figures = { chain: [] as T[], fairlead: [] as T[] };
  for (let round = 0; round < rounds; round += 1) {
    figures.chain.push(await work(chain));
    figures.fairlead.push(await work(fairlead));
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

function percentiles(
  all: { chain: number[][]; fairlead: number[][] },
  at: number,
): { chain: number[]; fairlead: number[] } {
  const pick = (times: number[]) => times[Math.min(times.length - 1, Math.floor(times.length * at))] ?? 0;
  return { chain: all.chain.map(pick), fairlead: all.fairlead.map(pick) };
}

function costRow(name: string, unit: string, figures: { chain: number[]; fairlead: number[] }): Row {
  return { name, unit, ...figures, ratio: median(figures.fairlead) / median(figures.chain) };
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

function describe({ name, unit, fairlead, chain, ratio }: Row): string {
  const show = (figures: readonly number[]) =>
    `${median(figures).toFixed(0)} (${Math.min(...figures).toFixed(0)}–${Math.max(...figures).toFixed(0)})`;
  return `${name.padEnd(28)} fairlead ${show(fairlead).padEnd(20)} chain ${show(chain).padEnd(20)} ${unit.padEnd(5)} ratio ${ratio.toFixed(2)}`;
}
