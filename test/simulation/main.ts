// `npm run simulate`: runs seeds and prints what happened in them. A failure is made as short as it gets and printed as a
// file for `--replay`.

import { readFileSync } from 'node:fs';
import { commandLine } from '../rig/command-line.ts';
import { countBranches } from './coverage.ts';

const values = commandLine(
  `npm run simulate -- [options]
  --seeds N       so many, from 1 on; default 2000
  --from N        the first
  --to N          the last, in place of --seeds
  --seed N        one, again
  --workers N     processes, with --record; default 1
  --record FILE   a line for each block of 1,000 seeds; the same command goes on where it was stopped
  --replay FILE   a schedule that was made short
  --coverage      which branches of the session core were taken
  --json          what happened, for programs`,
  {
    seeds: { type: 'string' },
    from: { type: 'string' },
    to: { type: 'string' },
    seed: { type: 'string' },
    workers: { type: 'string', default: '1' },
    record: { type: 'string' },
    replay: { type: 'string' },
    coverage: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
);

const from = Number(values.seed ?? values.from ?? 1);
const seeds =
  values.seed !== undefined
    ? 1
    : values.to !== undefined
      ? Number(values.to) - from + 1
      : Number(values.seeds ?? 2000);

// The core is loaded only once its branches are being counted.
const branches = values.coverage ? await countBranches() : undefined;
const { replay, shrinkFailure, simulate } = await import('./run.ts');

if (values.replay !== undefined) {
  const violation = replay(JSON.parse(readFileSync(values.replay, 'utf8')));
  process.stdout.write(`${violation ?? 'nothing is wrong'}\n`);
  if (violation !== undefined) process.exitCode = 1;
} else if (values.record !== undefined) {
  const { runAndRecord } = await import('./record.ts');
  process.exitCode = await runAndRecord(from, from + seeds - 1, Number(values.workers), values.record);
} else {
  const started = process.hrtime.bigint();
  const { counts, relay, failure } = simulate(from, seeds);
  const seconds = Number(process.hrtime.bigint() - started) / 1e9;
  const shrunk = failure === undefined ? undefined : shrinkFailure(failure);
  const coverage = await branches?.();
  if (values.json) {
    process.stdout.write(`${JSON.stringify({ from, seeds, counts, relay, coverage, failure, shrunk })}\n`);
  } else {
    process.stdout.write(`${JSON.stringify({ world: counts, relay }, null, 2)}\n`);
    if (coverage !== undefined) {
      const { taken, of, missed } = coverage;
      process.stdout.write(`branches of the session core: ${taken} of ${of}\n  ${missed.join('\n  ')}\n`);
    }
    process.stdout.write(
      failure === undefined
        ? `${seeds} seeds from ${from}, all exact, in ${seconds.toFixed(1)} s\n`
        : `seed ${failure.seed} (${failure.kind}) failed:\n  ${failure.violations.join('\n  ')}\n` +
            `run it again: npm run simulate -- --seed ${failure.seed}\n` +
            `as short as it gets, ${shrunk?.from} elements down to ${shrunk?.to}, for --replay FILE:\n` +
            `${JSON.stringify(shrunk)}\n`,
    );
  }
  if (failure !== undefined) process.exitCode = 1;
}
