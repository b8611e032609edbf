// `npm run simulate -- [--seeds N] [--from N] [--seed N]`: runs worlds and prints what happened in them.

import { parseArgs } from 'node:util';
import { noCounts, World } from './world.ts';

export interface Failure {
  readonly seed: number;
  readonly violations: readonly string[];
}

/** Runs the seeds from `from` on; stops at the first failure. */
export function simulate(
  from: number,
  seeds: number,
): { counts: ReturnType<typeof noCounts>; failure?: Failure } {
  const counts = noCounts();
  for (let seed = from; seed < from + seeds; seed += 1) {
    const world = new World(seed);
    const violations = world.run();
    for (const key of Object.keys(counts) as (keyof typeof counts)[]) counts[key] += world.counts[key];
    if (violations.length > 0) return { counts, failure: { seed, violations } };
  }
  return { counts };
}

function main(): void {
  const { values } = parseArgs({
    options: { seeds: { type: 'string' }, from: { type: 'string' }, seed: { type: 'string' } },
  });
  const from = Number(values.seed ?? values.from ?? 1);
  const seeds = values.seed === undefined ? Number(values.seeds ?? 2000) : 1;
  const started = process.hrtime.bigint();
  const { counts, failure } = simulate(from, seeds);
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  process.stdout.write(`${JSON.stringify(counts, null, 2)}\n`);
  if (failure === undefined) {
    process.stdout.write(`${seeds} seeds from ${from}, all exact, in ${seconds.toFixed(1)} s\n`);
    return;
  }
  process.stdout.write(`seed ${failure.seed} failed:\n  ${failure.violations.join('\n  ')}\n`);
  process.stdout.write(`run it again: npm run simulate -- --seed ${failure.seed}\n`);
  process.exitCode = 1;
}

if (process.argv[1]?.endsWith('main.js')) main();
