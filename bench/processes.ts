// The processes under test: started on free loopback ports, measured by /proc, ended whatever happens.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const fairlead = fileURLToPath(new URL('../../bin/fairlead', import.meta.url));
const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export interface Started {
  readonly pid: number;
  readonly port: number;
}

/** One of the two systems: a port that leads to the target through three processes. */
export interface Path {
  readonly name: string;
  readonly port: number;
  readonly processes: Readonly<Record<string, Started>>;
}

export class Processes {
  private readonly children: ChildProcess[] = [];
  private readonly directory = mkdtempSync(join(tmpdir(), 'fairlead-bench-'));

  async target(): Promise<Started> {
    return await this.start(process.execPath, [script('target-server.js')]);
  }

  async chain(target: number): Promise<Path> {
    const relay = (port: number) => this.start(process.execPath, [script('plain-relay.js'), String(port)]);
    const third = await relay(target);
    const second = await relay(third.port);
    const first = await relay(second.port);
    return { name: 'chain', port: first.port, processes: { first, second, third } };
  }

  async fairlead(target: number): Promise<Path> {
    const at = (name: string) => join(this.directory, name);
    const write = (name: string, text: string) => writeFileSync(at(name), text, { mode: 0o600 });
    const token = (...args: string[]) =>
      execFileSync(fairlead, ['token', '--secret-file', at('secret'), ...args]).toString();
    write('secret', 'a secret of the benchmark, long enough for HS256\n');
    write('agent', token('--agent', 'node'));
    write('dial', token('--dial', 'node'));
    const broker = await this.start(fairlead, [
      'broker',
      '--listen',
      '127.0.0.1:0',
      '--auth-secret-file',
      at('secret'),
    ]);
    const access = (name: string) => ['--broker', `ws://127.0.0.1:${broker.port}`, '--token-file', at(name)];
    const agent = await this.start(fairlead, [
      'agent',
      ...access('agent'),
      '--node',
      'node',
      '--allow',
      '127.0.0.1:*',
    ]);
    const dialer = await this.start(fairlead, ['forward', ...access('dial'), `0:node:127.0.0.1:${target}`]);
    return { name: 'fairlead', port: dialer.port, processes: { broker, agent, dialer } };
  }

  /** Ends all of them and removes what they needed. */
  end(): void {
    for (const child of this.children) child.kill('SIGKILL');
    rmSync(this.directory, { recursive: true, force: true });
  }

  private start(command: string, args: string[]): Promise<Started> {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.children.push(child);
    let log = '';
    return new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`${args[0]} ended with ${code}: ${log}`)));
      child.stderr.on('data', (chunk) => {
        log = (log + chunk).slice(-10_000);
        const line = /^\{.*"msg":"ready".*\}$/m.exec(log)?.[0];
        if (line === undefined) return;
        const { listen = [] } = JSON.parse(line) as { listen?: string[] };
        const port = Number(listen[0]?.slice(listen[0].lastIndexOf(':') + 1) ?? 0);
        resolve({ pid: child.pid ?? 0, port });
      });
    });
  }
}

/** CPU seconds so far, user and system (proc(5): fields 14 and 15 of stat, in ticks of 10 ms). */
export function cpuSeconds({ pid }: Started): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}
