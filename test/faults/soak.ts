// `npm run soak -- [--minutes 60] [--streams 24] [--json FILE]`: busy streams, short dials without end, and a broker
// and links that come and go; memory, handles and descriptors of each process are sampled and must lie flat.

import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { leastSquares } from './linear-fit.ts';
import { Site, sleep } from './site.ts';

const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '60' },
    streams: { type: 'string', default: '24' },
    json: { type: 'string' },
  },
});
const minutes = Number(values.minutes);
/** What is filled once and kept is not growth. */
const warmUpShare = 0.25;
const sampleEveryMs = Math.max(1000, minutes * 250);

interface Series {
  readonly process: string;
  readonly what: string;
  readonly points: [hours: number, value: number][];
}
const series = new Map<string, Series>();

function sample(site: Site, hours: number): void {
  for (const name of ['broker', 'agent', 'forward'] as const) {
    const { pid } = site.program(name).child;
    const status = readFileSync(`/proc/${pid}/status`, 'utf8');
    const rssMiB = Number(/^VmRSS:\s+(\d+)/m.exec(status)?.[1]) / 1024;
    const figures = {
      'memory, MiB': rssMiB,
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      threads: Number(/^Threads:\s+(\d+)/m.exec(status)?.[1]),
    };
    for (const [what, value] of Object.entries(figures)) {
      const key = `${name} ${what}`;
      const one = series.get(key) ?? { process: name, what, points: [] };
      one.points.push([hours, value]);
      series.set(key, one);
    }
  }
}

await using site = await Site.build(1);
await site.start({ streams: Number(values.streams) });
const startMs = performance.now();
const hours = () => (performance.now() - startMs) / 3_600_000;
let cuts = 0;
let moves = 0;
let nextChurnMs = 20_000;
let address = 2;
while (hours() * 60 < minutes) {
  await sleep(sampleEveryMs);
  sample(site, hours());
  await site.shortDials(8);
  if (performance.now() - startMs < nextChurnMs) continue;
  nextChurnMs += 20_000;
  if (cuts <= moves) {
    await site.path.become({ delayMs: 2, isDark: true });
    await sleep(2000);
    await site.path.become({ delayMs: 2 });
    cuts += 1;
  } else {
    site.edge.run('ip', 'address', 'delete', `10.78.0.${address}/24`, 'dev', 'path');
    address = address === 2 ? 3 : 2;
    site.edge.run('ip', 'address', 'add', `10.78.0.${address}/24`, 'dev', 'path');
    moves += 1;
  }
}
await site.say('lifted');
await site.untilMoved(90_000);
const { bytes, broken, wrong } = await site.say('finish');

process.stdout.write(
  `${minutes} minutes, ${bytes} bytes exact, ${site.dials} short dials (${site.refusedDials} told that the node is away), ${cuts} black-outs, ${moves} changes of address\n`,
);
process.stdout.write(
  '| process | figure | at the end | slope per hour | 95 % of it within |\n|---|---|---|---|---|\n',
);
let grew = false;
const fits = [...series.values()].map(({ process: name, what, points }) => {
  const late = points.slice(Math.floor(points.length * warmUpShare));
  const { slope, halfWidth } = leastSquares(late);
  const last = points.at(-1)?.[1] ?? 0;
  const total = (slope - halfWidth) * (minutes / 60);
  // Growth that the noise does not explain, and that is more than a tenth of what is there.
  const grows = total > Math.max(last * 0.1, 2);
  grew ||= grows;
  process.stdout.write(
    `| ${name} | ${what} | ${last.toFixed(1)} | ${slope.toFixed(2)} | ± ${halfWidth.toFixed(2)}${grows ? ' GROWS' : ''} |\n`,
  );
  return { process: name, what, last, slope, halfWidth, grows };
});
if (values.json !== undefined)
  writeFileSync(values.json, JSON.stringify({ minutes, bytes, broken, wrong, cuts, moves, fits }, null, 2));
const tooManyRefused = site.refusedDials * 4 > site.dials;
if (tooManyRefused || grew || broken > 0 || wrong.length > 0) {
  process.stdout.write(`FAILED: ${broken} streams lost, ${wrong.join('; ')}\n`);
  process.exitCode = 1;
}
