// What every fault happens to: a hub with broker and dialer, an edge with agent and target, a path between them, and
// streams that are busy all the while. Real processes in network namespaces of their own; needs root.

import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { EmulatedPath } from '../rig/network/emulated-path.ts';
import { Namespace } from '../rig/network/namespace.ts';
import { type Program, Rig } from '../rig/rig.ts';
import type { WorkloadReport } from './workload.ts';

export const hubAddress = '10.78.0.1';
export const brokerPort = 8080;
const targetPort = 9000;
export const forwardPort = 2000;
/** Leads to a port of the edge where nobody listens. */
export const nowherePort = 2001;

/** The dialer is a `fairlead forward`. */
export type ProgramName = 'broker' | 'agent' | 'forward';

export const called: Readonly<Record<ProgramName, string>> = {
  broker: 'broker',
  agent: 'agent',
  forward: 'dialer',
};

const signals = ['SIGINT', 'SIGTERM'] as const;

export interface SiteOptions {
  /** Where agent and dialer look for the broker. Default: plain, at the hub's address. */
  readonly url?: string;
  /** More flags for the broker, for the agent, and for agent and dialer. */
  readonly brokerArgs?: readonly string[];
  readonly agentArgs?: readonly string[];
  readonly peerArgs?: readonly string[];
  readonly env?: NodeJS.ProcessEnv;
  /** A directory of logs, each called after its program. Default: they are read here. */
  readonly logs?: string;
}

export class Site implements AsyncDisposable {
  readonly rig = new Rig();
  readonly hub: Namespace;
  readonly edge: Namespace;
  readonly programs = new Map<ProgramName, Program>();
  readonly path: EmulatedPath;
  options: SiteOptions = {};
  /** What faults start besides. */
  readonly nameServers: Program[] = [];
  readonly balancers: Program[] = [];
  private targetProgram: Program | undefined;
  private workload: Program | undefined;
  private answers: Interface | undefined;
  private readonly cleanup: (() => unknown)[] = [];

  private readonly stop = (): void => {
    void this[Symbol.asyncDispose]().finally(() => process.exit(1));
  };

  private constructor(hub: Namespace, edge: Namespace, path: EmulatedPath) {
    this.hub = hub;
    this.edge = edge;
    this.path = path;
  }

  /** Namespaces and path; the processes come with {@link start}, the streams with {@link startWorkload}. */
  static async build(seed: number): Promise<Site> {
    const [hub, edge] = [new Namespace('hub'), new Namespace('edge')];
    const site = new Site(hub, edge, await EmulatedPath.between(hub, edge, { delayMs: 2 }, { seed }));
    // Told to stop, it leaves no host, no disk and no process behind.
    for (const signal of signals) process.once(signal, site.stop);
    const { rig } = site;
    rig.write('secret', 'a secret of the tests, long enough for HS256\n');
    const tokens = [rig.token('--agent', 'edge-1'), rig.token('--dial', 'edge-*')];
    const [agentToken = '', dialToken = ''] = await Promise.all(tokens);
    rig.write('agent.token', agentToken);
    rig.write('dial.token', dialToken);
    return site;
  }

  async start(options: SiteOptions): Promise<void> {
    this.options = options;
    const target = this.run(this.edge, process.execPath, built('target.js'), String(targetPort));
    this.targetProgram = target;
    await Promise.all([
      this.startBroker(),
      target.child.stdout === null ? undefined : once(target.child.stdout, 'data'),
    ]);
    await Promise.all([this.startAgent(), this.startForward()]);
  }

  async startBroker(): Promise<void> {
    const { brokerArgs = [] } = this.options;
    const secret = this.rig.path('secret');
    const args = ['--listen', `0.0.0.0:${brokerPort}`, '--auth-secret-file', secret, ...brokerArgs];
    await this.launch('broker', this.hub, ['broker', ...args]);
  }

  async startAgent(): Promise<void> {
    const { agentArgs = [] } = this.options;
    // As a service would be: the one that follows is the same instance, and knows that it has no streams.
    await this.launch('agent', this.edge, [
      ...['agent', ...this.peerArgs, '--node', 'edge-1', '--instance', 'edge-1', ...agentArgs],
      ...['--token-file', this.rig.path('agent.token'), '--allow', '127.0.0.1:*'],
    ]);
  }

  async startForward(): Promise<void> {
    await this.launch('forward', this.hub, [
      ...['forward', ...this.peerArgs, '--token-file', this.rig.path('dial.token')],
      ...[`${forwardPort}:edge-1:127.0.0.1:${targetPort}`, `${nowherePort}:edge-1:127.0.0.1:1`],
    ]);
  }

  /** A workload of its own for each fault. */
  async startWorkload(streams: number): Promise<void> {
    const program = this.run(
      this.hub,
      process.execPath,
      built('workload.js'),
      String(forwardPort),
      String(streams),
    );
    this.workload = program;
    this.answers = createInterface({ input: program.child.stdout as NodeJS.ReadableStream });
    await this.say('mark');
    await this.untilMoved(30_000);
  }

  /** Once it has answered `finish`. */
  async endWorkload(): Promise<void> {
    await this.workload?.kill();
    this.workload = undefined;
  }

  program(name: ProgramName): Program {
    const program = this.programs.get(name);
    if (program === undefined) throw new Error(`${name} was not started`);
    return program;
  }

  get target(): Program {
    if (this.targetProgram === undefined) throw new Error('the target was not started');
    return this.targetProgram;
  }

  /** A program in one of the hosts, ended with the site. */
  run(host: Namespace, command: string, ...args: string[]): Program {
    const [program, all] = host.command(command, ...args);
    const { env } = this.options;
    return this.rig.start(program, all, 'pipe', env === undefined ? {} : { env });
  }

  /** Asks the workload; answers its report. */
  async say(line: 'mark' | 'lifted' | 'report' | 'rest' | 'work' | 'finish'): Promise<WorkloadReport> {
    const { workload, answers } = this;
    if (workload === undefined || answers === undefined) throw new Error('there is no workload');
    workload.child.stdin?.write(`${line}\n`);
    const [answer] = (await once(answers, 'line', { signal: AbortSignal.timeout(90_000) })) as [string];
    return JSON.parse(answer) as WorkloadReport;
  }

  /** Until something has come on every stream since the fault was lifted; answers how long that took, in ms. */
  async untilMoved(limitMs: number): Promise<number> {
    const start = performance.now();
    for (;;) {
      const { moved, streams } = await this.say('report');
      const tookMs = performance.now() - start;
      if (moved === streams) return Math.round(tookMs);
      if (tookMs > limitMs)
        throw new Error(`after ${Math.round(tookMs)} ms ${moved} of ${streams} streams moved`);
      await sleep(50);
    }
  }

  defer(undo: () => unknown): void {
    this.cleanup.push(undo);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const signal of signals) process.off(signal, this.stop);
    // Stopped processes take their end all the same: it is SIGKILL.
    await this.rig[Symbol.asyncDispose]();
    for (const undo of this.cleanup.reverse()) await undo();
    this.path[Symbol.dispose]();
    this.edge[Symbol.dispose]();
    this.hub[Symbol.dispose]();
  }

  private async launch(name: ProgramName, host: Namespace, args: readonly string[]): Promise<void> {
    const { logs } = this.options;
    const command = [this.rig.fairleadPath, ...args] as const;
    if (logs === undefined) {
      const program = this.run(host, ...command);
      this.programs.set(name, program);
      await program.ports();
      return;
    }
    const file = `${logs}/${name}`;
    writeFileSync(file, '');
    this.programs.set(name, this.run(host, 'sh', '-c', `exec "$@" 2>>${file}`, 'sh', ...command));
    while (!readFileSync(file, 'utf8').includes('"event":"ready"')) await sleep(20);
  }

  private get peerArgs(): string[] {
    const { url = `ws://${hubAddress}:${brokerPort}`, peerArgs = ['--insecure'] } = this.options;
    return ['--broker', url, ...peerArgs];
  }
}

export function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

function built(name: string): string {
  const up = import.meta.url.endsWith('.ts') ? '../../dist/test/faults/' : '';
  return fileURLToPath(new URL(`${up}${name}`, import.meta.url));
}
