// The processes under test: started on free loopback ports, measured by /proc, ended whatever happens.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const fairlead = fileURLToPath(new URL('../../bin/fairlead', import.meta.url));

export interface Started {
  readonly pid: number;
  readonly port: number;
  /** Where its memory can be asked for; only of processes that were started to be inspected. */
  readonly inspector?: string;
}

interface ProcessesOptions {
  /** True: Node's processes can be looked into (inspector.ts), which costs them a little. */
  readonly isInspected?: boolean;
}

/** One of the systems that are compared: a port that leads to the target. */
export interface Path {
  readonly name: string;
  readonly port: number;
  /** By what they are for; empty where nothing is between. */
  readonly processes: Readonly<Record<string, Started>>;
}

interface StartOptions {
  /** What the process says once it can serve; its last group, if any, is the port. Default: Fairlead's ready line. */
  readonly ready?: RegExp;
  readonly env?: Readonly<Record<string, string>>;
}

export class Processes {
  private readonly children: ChildProcess[] = [];
  private readonly directory = mkdtempSync(join(tmpdir(), 'fairlead-bench-'));
  private readonly nodeOptions: Readonly<Record<string, string>>;
  private readonly others: Processes[] = [];

  constructor({ isInspected = false }: ProcessesOptions = {}) {
    this.nodeOptions = isInspected ? { NODE_OPTIONS: '--inspect=127.0.0.1:0' } : {};
  }

  /** A file or directory of this run. */
  path(name: string): string {
    return join(this.directory, name);
  }

  write(name: string, text: string): string {
    writeFileSync(this.path(name), text, { mode: 0o600 });
    return this.path(name);
  }

  /** Runs a program to its end and answers what it wrote. */
  run(command: string, ...args: string[]): string {
    return execFileSync(command, args, { stdio: ['ignore', 'pipe', 'ignore'] }).toString();
  }

  /** A script of the benchmark, by its path under `bench/`. */
  script(name: string, ...args: string[]): Promise<Started> {
    return this.start(process.execPath, [fileURLToPath(new URL(`${name}.js`, import.meta.url)), ...args]);
  }

  start(command: string, args: readonly string[], options: StartOptions = {}): Promise<Started> {
    // What a package of another peer brings must not make ours faster.
    const env = { ...process.env, WS_NO_BUFFER_UTIL: '1', ...this.nodeOptions, ...options.env };
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'], env });
    this.children.push(child);
    let log = '';
    return new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (code) => reject(new Error(`${command} ${args[0]} ended with ${code}: ${log}`)));
      child.stderr.on('data', (chunk) => {
        log = (log + chunk).slice(-10_000);
        const started = startedBy(log, child.pid ?? 0, options.ready);
        const inspector = /Debugger listening on (ws:\S+)/.exec(log)?.[1];
        if (started !== undefined) resolve(inspector === undefined ? started : { ...started, inspector });
      });
    });
  }

  /** Others, which end with these at the latest. */
  apart(options: ProcessesOptions = {}): Processes {
    const processes = new Processes(options);
    this.others.push(processes);
    return processes;
  }

  /** Ends all of them and removes what they needed. */
  kill(): void {
    for (const processes of this.others) processes.kill();
    // The edge's runtime is a child of what was started, which ends it when it is asked to.
    for (const child of this.children) child.kill('SIGTERM');
    rmSync(this.directory, { recursive: true, force: true });
  }
}

function startedBy(log: string, pid: number, ready: RegExp | undefined): Started | undefined {
  if (ready !== undefined) {
    const said = ready.exec(log);
    return said === null ? undefined : { pid, port: Number(said[1] ?? 0) };
  }
  const line = /^\{.*"msg":"ready".*\}$/m.exec(log)?.[0];
  if (line === undefined) return undefined;
  // A runtime that is a process of its own says which.
  const { listen = [], pid: own = pid } = JSON.parse(line) as { listen?: string[]; pid?: number };
  return { pid: own, port: Number(listen[0]?.slice(listen[0].lastIndexOf(':') + 1) ?? 0) };
}

/** CPU seconds so far of a process and of its children that have ended (proc(5): fields 14 to 17 of stat, ticks of 10 ms). */
export function cpuSeconds({ pid }: Pick<Started, 'pid'>): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return fields.slice(11, 15).reduce((ticks, field) => ticks + Number(field), 0) / 100;
}

export function residentBytes({ pid }: Pick<Started, 'pid'>): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) * 1024;
}
