// `npm run bench:scale`: many agents on one broker; it is killed and started again, and the curve of their return is shown; then
// dials are spread over all of them.

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { commandLine } from '../../test/rig/command-line.ts';
import { freePort } from '../../test/rig/free-port.ts';
import { figuresOf } from '../../test/rig/prometheus.ts';
import { cpuSeconds, fairlead, Processes, residentBytes, type Started } from '../processes.ts';
import { whenToldToStop } from '../told-to-stop.ts';
import type { Dials } from './dials.ts';

const values = commandLine(
  `npm run bench:scale -- [options]
  --agents N      default 5000
  --dials N       a second, over all of them; default 1000
  --json FILE     write what was measured`,
  {
    agents: { type: 'string', default: '5000' },
    dials: { type: 'string', default: '1000' },
    json: { type: 'string' },
  },
);
const run = promisify(execFile);
const agents = Number(values.agents);
/** A process holds so many; one address may have some 28,000 connections to one port. */
const perProcess = 2500;
const idleSeconds = 20;
const curveStepMs = 500;

const processes = new Processes();
whenToldToStop(() => processes.kill());
try {
  const secret = processes.write('secret', 'a secret of the benchmark, long enough for HS256\n');
  const [port, metrics] = [await freePort(), await freePort()];
  const url = `ws://127.0.0.1:${port}`;
  const limits = [
    'connections-per-address',
    'connections-per-second',
    'requests-per-second',
    'links-per-principal',
  ];
  const broker = (): Promise<Started> =>
    processes.start(fairlead, [
      ...['broker', '--listen', `127.0.0.1:${port}`, '--metrics', `127.0.0.1:${metrics}`],
      ...['--auth-secret-file', secret],
      ...limits.flatMap((limit) => [`--max-${limit}`, '1000000']),
    ]);
  const target = await processes.script('target-server');
  let serving = await startBroker();
  const empty = residentBytes(serving);
  const firstAt = performance.now();
  const hosts: Started[] = [];
  for (let first = 0; first < agents; first += perProcess) {
    const count = Math.min(perProcess, agents - first);
    hosts.push(
      await processes.script('scale/agents', secret, url, String(first), String(count), String(target.port)),
    );
  }
  say(`${agents} agents registered one after the other in ${seconds(performance.now() - firstAt)}`);
  const memoryBytes = (residentBytes(serving) - empty) / agents;
  say(
    `broker: ${(residentBytes(serving) / 1e6).toFixed(0)} MB, ${(memoryBytes / 1024).toFixed(1)} KiB an agent`,
  );
  const before = cpuSeconds(serving);
  await sleep(idleSeconds * 1000);
  const idle = (100 * (cpuSeconds(serving) - before)) / idleSeconds;
  say(`idle: ${idle.toFixed(1)} % of a core`);

  process.kill(serving.pid, 'SIGKILL');
  await sleep(1000);
  serving = await startBroker();
  const upAt = performance.now();
  const curve: { readonly ms: number; readonly nodes: number }[] = [];
  for (;;) {
    const nodes = await count('fairlead_nodes');
    curve.push({ ms: Math.round(performance.now() - upAt), nodes });
    if (nodes >= agents || performance.now() - upAt > 120_000) break;
    await sleep(curveStepMs);
  }
  const backMs = curve.at(-1)?.ms ?? 0;
  say(`after a restart all were back in ${seconds(backMs)}:`);
  for (const { ms, nodes } of curve)
    say(
      `  ${seconds(ms).padStart(7)} ${String(nodes).padStart(6)} ${'█'.repeat(Math.round((50 * nodes) / agents))}`,
    );
  const refused = await count('fairlead_refusals_total');
  say(`refused meanwhile: ${refused}; CPU until then ${cpuSeconds(serving).toFixed(1)} s`);

  const script = fileURLToPath(new URL('dials.js', import.meta.url));
  const args = [script, secret, url, String(agents), values.dials, String(target.port)];
  const cpuBefore = cpuSeconds(serving);
  const dials = JSON.parse((await run(process.execPath, args, { maxBuffer: 1 << 20 })).stdout) as Record<
    'opening' | 'standing',
    Dials
  >;
  const dialCpu = cpuSeconds(serving) - cpuBefore;
  for (const [what, each] of [
    ['one to each node, which opens its session', dials.opening],
    ['once more, over sessions that stand', dials.standing],
  ] as const)
    say(
      `${values.dials} dials a second, ${what}: ${each.answered} of ${each.asked} answered, ${((each.answered * 1000) / each.ms).toFixed(0)} a second; ` +
        `p50 ${each.p50.toFixed(0)} ms, p99 ${each.p99.toFixed(0)} ms ${JSON.stringify(each.failures)}`,
    );
  say(`broker: ${dialCpu.toFixed(1)} CPU s`);
  if (values.json !== undefined)
    writeFileSync(
      values.json,
      `${JSON.stringify({ agents, memoryBytes, idlePercent: idle, backMs, curve, refused, dials, dialCpu }, null, 2)}\n`,
    );

  async function startBroker(): Promise<Started> {
    return { ...(await broker()), port };
  }

  /** Over all labels. */
  async function count(name: string): Promise<number> {
    const series = [...(await figuresOf(metrics))].filter(
      ([key]) => key === name || key.startsWith(`${name}{`),
    );
    if (series.length === 0) throw new Error(`the broker does not tell ${name}`);
    return series.reduce((sum, [, value]) => sum + value, 0);
  }
} finally {
  processes.kill();
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
