// `npm run faults`: each fault in turn, with real processes and real packets, and one table of what came of it. As root, on
// Debian.

import { writeFileSync } from 'node:fs';
import { commandLine } from '../rig/command-line.ts';
import { faults } from './all.ts';
import { endure, type Row, SharedSite } from './fault.ts';

const values = commandLine(
  `npm run faults -- [options], as root
  --only TEXT     those with TEXT in their names
  --streams N     default 64
  --seed N        default 1
  --minutes N     no fault begins after so many; default 10
  --json FILE     write the table`,
  {
    only: { type: 'string', default: '' },
    streams: { type: 'string', default: '64' },
    seed: { type: 'string', default: '1' },
    minutes: { type: 'string', default: '10' },
    json: { type: 'string' },
  },
);
const untilMs = performance.now() + Number(values.minutes) * 60_000;
const rows: Row[] = [];
await using shared = new SharedSite();
const failures: { fault: string; error: string }[] = [];
for (const fault of faults) {
  if (!fault.name.includes(values.only)) continue;
  if (performance.now() > untilMs) {
    failures.push({ fault: fault.name, error: 'there was no time left for it' });
    process.stdout.write(`${fault.name}\n  NOT RUN: there was no time left for it\n`);
    continue;
  }
  try {
    const row = await endure(fault, Number(values.streams), Number(values.seed), shared);
    rows.push(row);
    const { evidence, bytes, worstStandstillMs, medianStandstillMs, resumedMs, ended } = row;
    process.stdout.write(
      `${fault.name}\n  ${evidence}\n  ${bytes} bytes, all exact; stood still ${worstStandstillMs} ms at most, ` +
        `${medianStandstillMs} ms in the middle; all moving ${resumedMs} ms after` +
        `${ended > 0 ? `; ${ended} streams ended with their process` : ''}\n`,
    );
  } catch (error) {
    const message = error instanceof Error ? error.message : String(error);
    failures.push({ fault: fault.name, error: message });
    process.stdout.write(`${fault.name}\n  FAILED: ${message}\n`);
  }
}
process.stdout.write(
  '\n| fault | stood still, worst | middle | moving again after | seen |\n|---|---|---|---|---|\n',
);
for (const { fault, worstStandstillMs, medianStandstillMs, resumedMs, evidence } of rows)
  process.stdout.write(
    `| ${fault} | ${seconds(worstStandstillMs)} | ${seconds(medianStandstillMs)} | ${seconds(resumedMs)} | ${evidence} |\n`,
  );
if (values.json !== undefined)
  writeFileSync(values.json, `${JSON.stringify({ seed: Number(values.seed), rows, failures }, null, 2)}\n`);
if (failures.length > 0) process.exitCode = 1;

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
