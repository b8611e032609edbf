// `npm run soak`: mixed work while processes and links come and go; every byte is checked, and what lasting processes have must
// lie flat. SIGINT ends it with its summary.

import { writeFileSync } from 'node:fs';
import { commandLine } from '../rig/command-line.ts';
import { randomFrom } from '../rig/random.ts';
import { churn } from './churn.ts';
import { pause } from './exchange.ts';
import { Growth, table } from './growth.ts';
import { Inside } from './inside.ts';
import { SoakNetwork } from './network.ts';
import { Work } from './work.ts';

const values = commandLine(
  `npm run soak -- [options]
  --minutes N     default 60
  --seed N        of what comes and goes; default: one that is printed
  --churn N       seconds between two of them; default 30
  --json FILE     write the figures`,
  {
    minutes: { type: 'string', default: '60' },
    seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
    churn: { type: 'string', default: '30' },
    json: { type: 'string' },
  },
);
const minutes = Number(values.minutes);
const seed = Number(values.seed);
const sampleEveryMs = Math.max(2000, minutes * 333);

/** Of all streams, so many may be refused though nothing has come or gone. */
const mostRefusedInCalm = 0.001;

const over = new AbortController();
process.once('SIGINT', () => over.abort());
say(`seed ${seed}, ${minutes} minutes`);
const random = randomFrom(seed);
await using network = await SoakNetwork.start(random);
const insides = new Map<string, Inside>();
for (const { name, program } of network.lasting) insides.set(name, await Inside.of(program));

const work = new Work(network.routes, () => network.isCalm, randomFrom(seed + 1));
const churning = churn(network, Number(values.churn) * 1000, random, over.signal);
const growth = new Growth();
const startMs = performance.now();
const hours = (): number => (performance.now() - startMs) / 3_600_000;
let saidMinutes = 0;
while (hours() * 60 < minutes && !over.signal.aborted) {
  await pause(sampleEveryMs, over.signal);
  for (const [name, inside] of insides) growth.note(name, hours(), await inside.figures());
  if (hours() * 60 < saidMinutes + 5) continue;
  saidMinutes += 5;
  say(`${saidMinutes} minutes: ${work.tally.bytes} bytes, ${work.tally.faults.length} lost, hung or wrong`);
}
const ranMinutes = hours() * 60;
over.abort();
const churned = await churning;
await work.finish();
const cpuSeconds = [...insides.values()].reduce((sum, inside) => sum + inside.cpuSeconds, 0);
for (const inside of insides.values()) inside.close();

const { bytes, exact, refused, refusedInCalm, endedWithProcess, faults } = work.tally;
const trends = growth.trends();
const leaks = trends.filter(({ verdict }) => verdict === 'LEAKS');
const whole = Object.values(exact).reduce((sum, count) => sum + count, 0);
say(`
${ranMinutes.toFixed(1)} minutes, seed ${seed}: ${bytes} bytes exact on ${whole} streams that came to their end (${counted(exact)});
${refused} refused soon after something had come or gone, ${refusedInCalm} at other times; ${endedWithProcess} ended with their agent or dialer; ${faults.length} lost, hung or wrong.
${counted(churned)}. The lasting processes took ${(cpuSeconds / ranMinutes / 60).toFixed(2)} of a core.
`);
say(table(trends));
if (values.json !== undefined) {
  const record = { minutes: ranMinutes, seed, ...work.tally, churned, cpuSeconds, trends };
  writeFileSync(values.json, `${JSON.stringify(record)}\n`);
}
if (refusedInCalm > mostRefusedInCalm * whole) faults.push(`${refusedInCalm} refused for no reason`);
for (const fault of faults) say(`FAILED: ${fault}`);
for (const { process: name, figure } of leaks) say(`FAILED: ${name} has more and more of ${figure}`);
if (faults.length > 0 || leaks.length > 0) process.exitCode = 1;

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

function counted(counts: Readonly<Record<string, number>>): string {
  return Object.entries(counts)
    .map(([name, count]) => `${count} ${name}`)
    .join(', ');
}
