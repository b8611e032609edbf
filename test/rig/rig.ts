// Starts real processes on free loopback ports and ends them all: `await using rig = new Rig()`.

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/** This file runs as it is written, and built. */
const project = import.meta.url.endsWith('.ts') ? '../..' : '../../..';
const fairlead = fileURLToPath(new URL(`${project}/bin/fairlead`, import.meta.url));

/** Whatever ends this process, a test that timed out included, ends what it started. */
const running = new Set<ChildProcess>();
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL');
});

export interface Result {
  readonly code: number | null;
  readonly stdout: Buffer;
  readonly stderr: string;
}

/** Where a program runs, and what its environment has besides. */
export interface Place {
  readonly cwd?: string;
  readonly env?: NodeJS.ProcessEnv;
}

/** A long-running program and what it said. */
export class Program {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  log = '';
  private readonly name: string;

  constructor(name: string, child: ChildProcess) {
    this.name = name;
    this.child = child;
    child.stderr?.on('data', (chunk) => {
      this.log = (this.log + chunk).slice(-200_000);
    });
    running.add(child);
    this.exited = new Promise((resolve) =>
      child.once('exit', (code) => {
        running.delete(child);
        resolve(code);
      }),
    );
  }

  /** Resolves once the log matches. */
  async said(pattern: RegExp): Promise<RegExpExecArray> {
    for (;;) {
      const match = pattern.exec(this.log);
      if (match !== null) return match;
      if (this.child.exitCode !== null || this.child.signalCode !== null) {
        throw new Error(`${this.name} ended before it said ${pattern}:\n${this.log}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  }

  /** The ports of its ready line. */
  async ports(): Promise<number[]> {
    const [line] = await this.said(/^\{.*"msg":"ready".*\}$/m);
    const { listen = [] } = JSON.parse(line) as { listen?: string[] };
    return listen.map((address) => Number(address.slice(address.lastIndexOf(':') + 1)));
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    this.child.kill(signal);
    return await this.exited;
  }
}

export class Rig {
  readonly directory = mkdtempSync(join(tmpdir(), 'fairlead-test-'));
  private readonly programs: Program[] = [];
  private readonly undo: (() => unknown)[] = [];

  path(name: string): string {
    return join(this.directory, name);
  }

  write(name: string, content: string): string {
    writeFileSync(this.path(name), content, { mode: 0o600 });
    return this.path(name);
  }

  /** Runs when the rig is taken down, last first. */
  defer(undo: () => unknown): void {
    this.undo.push(undo);
  }

  start(
    command: string,
    args: readonly string[],
    stdin: 'ignore' | 'pipe' = 'ignore',
    place: Place = {},
  ): Program {
    const child = spawn(command, args, { stdio: [stdin, 'pipe', 'pipe'], ...placed(place) });
    const program = new Program(`${command} ${args[0]}`, child);
    this.programs.push(program);
    return program;
  }

  fairlead(...args: string[]): Program {
    return this.start(fairlead, args);
  }

  /** Runs a program to its end. */
  async run(
    command: string,
    args: readonly string[],
    stdin: Buffer | string = '',
    place: Place = {},
  ): Promise<Result> {
    const child = spawn(command, args, { stdio: 'pipe', ...placed(place) });
    const stdout: Buffer[] = [];
    let stderr = '';
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk) => {
      stderr += chunk;
    });
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
    const code = await new Promise<number | null>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    return { code, stdout: Buffer.concat(stdout), stderr };
  }

  async token(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(fairlead, [
      'token',
      '--secret-file',
      this.path('secret'),
      ...args,
    ]);
    if (code !== 0) throw new Error(stderr);
    return stdout.toString().trim();
  }

  get fairleadPath(): string {
    return fairlead;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const undo of this.undo.reverse()) await undo();
    for (const program of this.programs.reverse()) await program.kill();
    rmSync(this.directory, { recursive: true, force: true });
  }
}

/** A broker, an agent of node `edge-1`, and tokens in files. */
export class Network {
  readonly rig: Rig;
  broker: Program;
  agent: Program;
  readonly port: number;
  readonly dialToken: string;

  private constructor(rig: Rig, broker: Program, agent: Program, port: number, dialToken: string) {
    this.rig = rig;
    this.broker = broker;
    this.agent = agent;
    this.port = port;
    this.dialToken = dialToken;
  }

  static async start(
    rig: Rig,
    allow = '127.0.0.1:*',
    agentArgs: string[] = [],
    brokerArgs: readonly string[] = [],
  ): Promise<Network> {
    rig.write('secret', 'a secret of the tests, long enough for HS256\n');
    rig.write('agent.token', await rig.token('--agent', 'edge-1'));
    const dialToken = await rig.token('--dial', 'edge-*');
    rig.write('dial.token', dialToken);
    const broker = rig.fairlead(
      'broker',
      '--listen',
      '127.0.0.1:0',
      '--auth-secret-file',
      rig.path('secret'),
      ...brokerArgs,
    );
    const [port = 0] = await broker.ports();
    const network = new Network(rig, broker, broker, port, dialToken);
    network.agent = network.startAgent(allow, agentArgs);
    await network.agent.ports();
    return network;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  startAgent(allow = '127.0.0.1:*', more: string[] = []): Program {
    const { rig, url } = this;
    const args = [
      '--broker',
      url,
      '--node',
      'edge-1',
      '--token-file',
      rig.path('agent.token'),
      '--allow',
      allow,
    ];
    return rig.fairlead('agent', ...args, ...more);
  }

  /** On the same port as before. */
  async startBroker(): Promise<void> {
    const { rig, port } = this;
    this.broker = rig.fairlead(
      'broker',
      '--listen',
      `127.0.0.1:${port}`,
      '--auth-secret-file',
      rig.path('secret'),
    );
    await this.broker.ports();
  }

  /** Flags for `dial` and `forward`. */
  access(port = this.port): string[] {
    return ['--broker', `ws://127.0.0.1:${port}`, '--token-file', this.rig.path('dial.token')];
  }

  /** A forward to `targetPort`; answers its local port. */
  async forward(targetPort: number, brokerPort = this.port): Promise<number> {
    const program = this.rig.fairlead(
      'forward',
      ...this.access(brokerPort),
      `0:edge-1:127.0.0.1:${targetPort}`,
    );
    const [port = 0] = await program.ports();
    return port;
  }
}

function placed({ cwd, env }: Place): { cwd?: string; env: NodeJS.ProcessEnv } {
  return { ...(cwd === undefined ? {} : { cwd }), env: { ...cleanEnvironment(), ...env } };
}

/** Neither the caller's broker nor its token may reach what is tested. */
function cleanEnvironment(): NodeJS.ProcessEnv {
  const { FAIRLEAD_BROKER, FAIRLEAD_TOKEN, FAIRLEAD_TOKEN_FILE, SSH_AUTH_SOCK, ...rest } = process.env;
  return rest;
}
