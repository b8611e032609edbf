// `npm run bench`: Fairlead and its peers in turn, in one run, over the same load. `-- --help` says what can be asked.
// Prints ratios to a baseline, which hold better than figures.

import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { type BenchOptions, parseOptions, UsageError } from './options.ts';
import { plotRows } from './plot.ts';
import { Processes } from './processes.ts';
import { runBench } from './run.ts';
import { whenToldToStop } from './told-to-stop.ts';

let options: BenchOptions | undefined;
try {
  options = parseOptions(process.argv.slice(2));
} catch (error) {
  if (!(error instanceof UsageError)) throw error;
  process.stderr.write(`${error.message}\n`);
  process.exit(2);
}
if (options !== undefined) await bench(options);

async function bench(asked: BenchOptions): Promise<void> {
  const processes = new Processes({ isInspected: asked.profile });
  whenToldToStop(() => processes.kill());
  try {
    const machine = { processor: cpus()[0]?.model ?? '', cores: cpus().length, node: process.version };
    process.stdout.write(`${machine.processor}, ${machine.cores} cores, Node ${machine.node}; `);
    process.stdout.write(`${asked.rounds} rounds, ${asked.bytes >> 20} MiB; median (least–most)\n\n`);
    const outcome = await runBench(processes, asked, (text) => process.stdout.write(`${text}\n`));
    if (asked.json !== undefined) {
      const { rounds, bytes, baseline } = asked;
      const whole = { date: new Date().toISOString(), machine, rounds, bytes, baseline, ...outcome };
      writeFileSync(asked.json, `${JSON.stringify(whole, null, 2)}\n`);
    }
    if (asked.plots !== undefined) plotRows(asked.plots, outcome.rows, asked.baseline);
  } finally {
    processes.kill();
  }
}
