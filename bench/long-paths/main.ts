// `npm run bench:paths`: one stream over paths with delay, loss and a rate, beside plain TCP over the same path, and an
// interactive stream beside it. Hosts are network namespaces; the path is emulated (test/rig/network). Needs root.

import { execFile } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { commandLine } from '../../test/rig/command-line.ts';
import { EmulatedPath, pathAddresses } from '../../test/rig/network/emulated-path.ts';
import { endNamespaces, Namespace } from '../../test/rig/network/namespace.ts';
import { fairlead, Processes, type Started } from '../processes.ts';
import { whenToldToStop } from '../told-to-stop.ts';
import { percentile } from '../workloads/round-trips.ts';
import type { Flow } from './flow.ts';

const values = commandLine(
  `npm run bench:paths -- [options], as root
  --delays N,N,…  there and back, in ms; default 20,80,200
  --losses N,N,…  in percent of packets, each way; default 0,0.1,1
  --rates N,N,…   in Mbit/s; default 100,1000
  --seconds N     of each transfer; default 8
  --seed N        of the losses; default 1
  --json FILE     write what was measured`,
  {
    delays: { type: 'string', default: '20,80,200' },
    losses: { type: 'string', default: '0,0.1,1' },
    rates: { type: 'string', default: '100,1000' },
    seconds: { type: 'string', default: '8' },
    seed: { type: 'string', default: '1' },
    json: { type: 'string' },
  },
);
const numbers = (text: string) => text.split(',').map(Number);
const run = promisify(execFile);
const script = (name: string) => fileURLToPath(new URL(`${name}.js`, import.meta.url));
const [nodeSide, operatorSide] = pathAddresses;
/** So many milestones of the transfer are compared. */
const milestones = 20;

interface Case {
  /** There and back, in ms. */
  readonly rttMs: number;
  /** In percent of packets, each way. */
  readonly loss: number;
  readonly mbits: number;
}

interface Outcome extends Case {
  readonly bytes: number;
  readonly plainMbits: number;
  readonly fairleadMbits: number;
  readonly ratio: number;
  /** How far behind plain TCP the transfer was at its worst milestone, in round trips. */
  readonly lagRtts: number;
  /** Of the stream, at the end, in KiB. */
  readonly inFlightKib: number;
  /** Of an interactive stream beside it, less the path's round trip, in ms. */
  readonly echoP50Ms: number;
  readonly echoP99Ms: number;
  readonly lost: number;
}

const outcomes: Outcome[] = [];
const all = new Processes();
whenToldToStop(() => {
  all.kill();
  endNamespaces();
});
process.stdout.write(
  'rtt ms  loss %  Mbit/s   plain  fairlead  ratio  lag in rtt  most in flight KiB  echo beside it p50, p99 ms\n',
);
try {
  for (const mbits of numbers(values.rates))
    for (const rttMs of numbers(values.delays))
      for (const loss of numbers(values.losses)) {
        const outcome = await measure({ rttMs, loss, mbits });
        outcomes.push(outcome);
        process.stdout.write(
          `${[
            `${rttMs}`.padStart(6),
            `${loss}`.padStart(7),
            `${mbits}`.padStart(7),
            outcome.plainMbits.toFixed(1).padStart(7),
            outcome.fairleadMbits.toFixed(1).padStart(9),
            outcome.ratio.toFixed(2).padStart(6),
            outcome.lagRtts.toFixed(1).padStart(11),
            outcome.inFlightKib.toFixed(0).padStart(19),
            `${outcome.echoP50Ms.toFixed(0)}, ${outcome.echoP99Ms.toFixed(0)}`.padStart(15),
          ].join(' ')}\n`,
        );
      }
} finally {
  all.kill();
}
if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(outcomes, null, 2)}\n`);

async function measure({ rttMs, loss, mbits }: Case): Promise<Outcome> {
  const processes = all.apart();
  using node = new Namespace('node');
  using operator = new Namespace('operator');
  // Large packets at a large rate: what is measured is the protocol, not how many packets this machine can emulate.
  const mtu = mbits > 200 ? 9000 : 1500;
  const conditions = {
    delayMs: rttMs / 2,
    rate: mbits * 1e6,
    loss: loss / 100,
    queueMs: Math.max(50, rttMs),
  };
  using path = await EmulatedPath.between(node, operator, conditions, { seed: Number(values.seed), mtu });
  try {
    const start = (host: Namespace, program: string, args: readonly string[]): Promise<Started> => {
      const [command, all] = host.command(program, ...args);
      return processes.start(command, all);
    };
    const target = await start(node, process.execPath, [script('../target-server'), '0.0.0.0']);
    const secret = processes.write('secret', 'a secret of the benchmark, long enough for HS256\n');
    const token = (kind: string) =>
      processes.write(kind, processes.run(fairlead, 'token', '--secret-file', secret, `--${kind}`, 'node'));
    const broker = await start(operator, fairlead, [
      'broker',
      '--listen',
      '0.0.0.0:0',
      '--auth-secret-file',
      secret,
    ]);
    const access = (host: string, kind: string) => [
      '--broker',
      `ws://${host}:${broker.port}`,
      '--token-file',
      token(kind),
      '--insecure',
    ];
    const agent = await start(node, fairlead, [
      'agent',
      ...access(operatorSide, 'agent'),
      '--node',
      'node',
      '--allow',
      '127.0.0.1:*',
      '--metrics',
      '127.0.0.1:0',
    ]);
    const forward = await start(operator, fairlead, [
      ...['forward', ...access('127.0.0.1', 'dial'), `0:node:127.0.0.1:${target.port}`],
    ]);
    const bytes = Math.round((mbits * 1e6 * Number(values.seconds)) / 8);
    const intervalMs = Math.max(5, rttMs / 4);
    const flow = async (address: string): Promise<Flow> =>
      JSON.parse(await output(operator, script('flow'), address, String(bytes), String(intervalMs))) as Flow;
    const plain = await flow(`${nodeSide}:${target.port}`);
    const [watch, args] = node.command(process.execPath, script('in-flight'), String(agent.port));
    const watching = run(watch, args);
    const ours = await flow(`127.0.0.1:${forward.port}`);
    watching.child.kill('SIGTERM');
    const inFlightBytes = Number((await watching).stdout);
    const bulk = flow(`127.0.0.1:${forward.port}`);
    const beside = script('echoes');
    const count = Math.ceil((Number(values.seconds) * 1000) / (rttMs + 50) / 2);
    const echoes = JSON.parse(
      await output(operator, beside, `127.0.0.1:${forward.port}`, String(Math.max(10, count)), '50'),
    ) as number[];
    await bulk;
    const counts = await path.counts();
    const speed = (ms: number) => (bytes * 8) / ms / 1000;
    return {
      ...{ rttMs, loss, mbits, bytes },
      plainMbits: speed(plain.ms),
      fairleadMbits: speed(ours.ms),
      ratio: plain.ms / ours.ms,
      lagRtts: lag(plain, ours, bytes, intervalMs) / rttMs,
      inFlightKib: Math.round(inFlightBytes / 1024),
      echoP50Ms: percentile(echoes, 0.5),
      echoP99Ms: percentile(echoes, 0.99),
      lost: counts.lost,
    };
  } finally {
    processes.kill();
  }
}

async function output(host: Namespace, ...args: string[]): Promise<string> {
  const [command, all] = host.command(process.execPath, ...args);
  return (await run(command, all)).stdout;
}

/** The most ms by which one transfer reached a milestone of the first half later than the other did. */
function lag(plain: Flow, ours: Flow, bytes: number, intervalMs: number): number {
  let most = 0;
  for (let at = 1; at <= milestones / 2; at += 1) {
    const reached = ({ came, ms }: Flow) => {
      const index = came.findIndex((total) => total >= (bytes * at) / milestones);
      return index < 0 ? ms : index * intervalMs;
    };
    most = Math.max(most, reached(ours) - reached(plain));
  }
  return most;
}
