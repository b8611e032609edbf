// The processes under test: started on free loopback ports, measured by /proc, ended whatever happens.

import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const fairlead = fileURLToPath(new URL('../../bin/fairlead', import.meta.url));
const script = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export const engines = ['memory', 'nats', 'edge'] as const;
export type Engine = (typeof engines)[number];

interface Brokers {
  readonly atAgent: Started;
  readonly atDialer: Started;
  readonly nats?: Started;
}

export interface Started {
  readonly pid: number;
  readonly port: number;
}

/** One of the two systems: a port that leads to the target through three processes. */
export interface Path {
  readonly name: string;
  readonly port: number;
  /** Where agents connect, if there is a broker. */
  readonly broker?: Started;
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

  /** On two replicas the agent is at the first and the dialer at the second. */
  async fairlead(engine: Engine, target: number, isSealed = false): Promise<Path> {
    const at = (name: string) => join(this.directory, name);
    const write = (name: string, text: string) => writeFileSync(at(name), text, { mode: 0o600 });
    const token = (...args: string[]) =>
      execFileSync(fairlead, ['token', '--secret-file', at('secret'), ...args]).toString();
    write('secret', 'a secret of the benchmark, long enough for HS256\n');
    write('agent', token('--agent', 'node'));
    write('dial', token('--dial', 'node'));
    const { atAgent, atDialer, ...others } = await this.brokers(engine, at('secret'));
    const access = (name: string, { port }: Started) => [
      '--broker',
      `ws://127.0.0.1:${port}`,
      '--token-file',
      at(name),
    ];
    const e2e = (name: string) => ['--e2e-key', at(`${name}.pem`), '--e2e-peers', at('peers')];
    if (isSealed) {
      const pins = ['agent', 'dial'].map(
        (name) =>
          execFileSync(fairlead, ['keys', '--e2e', '--key-file', at(`${name}.pem`)])
            .toString()
            .split('\n')[0],
      );
      write('peers', pins.map((pin) => `${pin} node\n`).join(''));
    }
    const agent = await this.start(fairlead, [
      ...['agent', ...access('agent', atAgent), '--node', 'node', '--allow', '127.0.0.1:*'],
      ...(isSealed ? e2e('agent') : []),
    ]);
    const forward = [
      ...['forward', ...access('dial', atDialer)],
      ...(isSealed ? ['--e2e', ...e2e('dial')] : []),
      `0:node:127.0.0.1:${target}`,
    ];
    const dialer = await this.start(fairlead, forward);
    const brokers = atAgent === atDialer ? { broker: atAgent } : { broker: atAgent, broker2: atDialer };
    return {
      name: isSealed ? 'e2e' : engine,
      port: dialer.port,
      broker: atAgent,
      processes: { ...brokers, ...others, agent, dialer },
    };
  }

  private async brokers(engine: Engine, secret: string): Promise<Brokers> {
    if (engine === 'edge') {
      const main = fileURLToPath(new URL('../scripts/edge/main.js', import.meta.url));
      const edge = await this.start(process.execPath, [main, '--port', '0', '--auth-secret-file', secret]);
      return { atAgent: edge, atDialer: edge };
    }
    // The load comes from one address, as it would not on a public one.
    const limits = ['connections-per-address', 'connections-per-second', 'requests-per-second'];
    const broker = [
      'broker',
      ...['--listen', '127.0.0.1:0', '--auth-secret-file', secret],
      ...limits.flatMap((limit) => [`--max-${limit}`, '100000']),
    ];
    if (engine === 'memory') {
      const only = await this.start(fairlead, broker);
      return { atAgent: only, atDialer: only };
    }
    const port = await freePort();
    const nats = await this.start('nats-server', ['--addr', '127.0.0.1', '--port', String(port)]);
    const replica = [...broker, '--nats', `nats://127.0.0.1:${port}`];
    return {
      atAgent: await this.start(fairlead, replica, /"event":"nats-up"/),
      atDialer: await this.start(fairlead, replica, /"event":"nats-up"/),
      nats,
    };
  }

  /** KiB that brokers, and the server between them, take for each of `count` idle agents, which are gone afterwards. */
  async idleNodes({ broker, processes }: Path, count: number): Promise<number> {
    if (broker === undefined) return 0;
    const { agent, dialer, ...brokers } = processes;
    const resident = () => Object.values(brokers).reduce((sum, process) => sum + residentKib(process), 0);
    const secret = join(this.directory, 'secret');
    const before = resident();
    const args = [script('idle-agents.js'), secret, `ws://127.0.0.1:${broker.port}`, String(count)];
    const agents = await this.start(process.execPath, args);
    const after = resident();
    process.kill(agents.pid, 'SIGTERM');
    return (after - before) / count;
  }

  /** Ends all of them and removes what they needed. */
  end(): void {
    // The edge's runtime is a child of what was started, which ends it when it is asked to.
    for (const child of this.children) child.kill('SIGTERM');
    rmSync(this.directory, { recursive: true, force: true });
  }

  private start(command: string, args: string[], also = /./): Promise<Started> {
    const child = spawn(command, args, { stdio: ['ignore', 'ignore', 'pipe'] });
    this.children.push(child);
    let log = '';
    return new Promise((resolve, reject) => {
      child.once('exit', (code) => reject(new Error(`${args[0]} ended with ${code}: ${log}`)));
      child.stderr.on('data', (chunk) => {
        log = (log + chunk).slice(-10_000);
        if (command === 'nats-server' && /Server is ready/.test(log))
          resolve({ pid: child.pid ?? 0, port: 0 });
        const line = /^\{.*"msg":"ready".*\}$/m.exec(log)?.[0];
        if (line === undefined || !also.test(log)) return;
        // A runtime that is a process of its own says which.
        const { listen = [], pid = child.pid ?? 0 } = JSON.parse(line) as { listen?: string[]; pid?: number };
        const port = Number(listen[0]?.slice(listen[0].lastIndexOf(':') + 1) ?? 0);
        resolve({ pid, port });
      });
    });
  }
}

/** CPU seconds so far, user and system (proc(5): fields 14 and 15 of stat, in ticks of 10 ms). */
export function cpuSeconds({ pid }: Started): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]?.split(' ') ?? [];
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function residentKib({ pid }: Started): number {
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0);
}

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  await new Promise((resolve) => server.close(resolve));
  return typeof address === 'object' && address !== null ? address.port : 0;
}
