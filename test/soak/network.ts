// Who takes part: a broker, agents, dialers and a gateway that live as long as the soak, and a broker, an agent and a
// dialer that do not. The brokers are replicas over NATS, so that most streams cross both.

import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { freePort } from '../rig/free-port.ts';
import { acquainted } from '../rig/identities.ts';
import { NatsServer } from '../rig/nats.ts';
import { Rig } from '../rig/rig.ts';
import { CuttableProxy } from '../rig/targets.ts';
import { Member } from './member.ts';
import { openConnect, openForward, openSocks, type Route } from './routes.ts';

const targetProgram = fileURLToPath(new URL('../faults/target.js', import.meta.url));
/** Slower than in the faults: an hour is to be had beside other work. */
const targetPaceMs = 400;
/** Silence is noticed within 20 s; a dial takes 10 s at most. */
const calmAfterMs = 40_000;
const nodes = ['edge-1', 'edge-2', 'edge-3'] as const;

export class SoakNetwork implements AsyncDisposable {
  readonly rig = new Rig();
  /** Those that live as long as the soak. */
  readonly lasting: Member[] = [];
  readonly routes: Route[] = [];
  private readonly random: () => number;
  private disturbedMs = performance.now();
  private mortalBroker: Member | undefined;
  private mortalAgent: Member | undefined;
  private mortalDialer: Member | undefined;
  /** Between lasting peers and the broker, so that links can be cut. */
  private way: CuttableProxy | undefined;

  private constructor(random: () => number) {
    this.random = random;
  }

  static async start(random: () => number): Promise<SoakNetwork> {
    const network = new SoakNetwork(random);
    await network.begin();
    return network;
  }

  get broker(): Member {
    return there(this.mortalBroker);
  }

  get agent(): Member {
    return there(this.mortalAgent);
  }

  get dialer(): Member {
    return there(this.mortalDialer);
  }

  get links(): CuttableProxy {
    return there(this.way);
  }

  /** Nothing has been done to it for so long that peers have noticed, and dials that waited for them have ended. */
  get isCalm(): boolean {
    return performance.now() - this.disturbedMs > calmAfterMs;
  }

  /** Something is done to it now. */
  disturb(): void {
    this.disturbedMs = performance.now();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rig[Symbol.asyncDispose]();
  }

  private async begin(): Promise<void> {
    const { rig } = this;
    rig.write('secret', 'a secret of the tests, long enough for HS256\n');
    for (const node of nodes) rig.write(`${node}.token`, await rig.token('--agent', node));
    rig.write('dial.token', await rig.token('--dial', 'edge-*'));
    const { agentSide, dialerSide } = await acquainted();
    for (const [name, content] of Object.entries({
      ...prefixed('agent', agentSide),
      ...prefixed('dial', dialerSide),
    }))
      rig.write(name, content);
    const nats = await NatsServer.start(rig);
    const targetPort = await freePort();
    const target = rig.start(process.execPath, [targetProgram, String(targetPort), String(targetPaceMs)]);
    if (target.child.stdout !== null) await once(target.child.stdout, 'data');

    const [lastingPort, mortalPort] = [await freePort(), await freePort()];
    await this.add('broker', true, () => this.brokerArgs(lastingPort, nats.url));
    this.mortalBroker = await this.add('broker', false, () => this.brokerArgs(mortalPort, nats.url));
    this.way = await CuttableProxy.start(rig, lastingPort);
    const [near, far] = [`ws://127.0.0.1:${this.way.port}`, `ws://127.0.0.1:${mortalPort}`];
    const either = (): string => (this.random() < 0.5 ? near : far);

    const agent1 = await this.add('agent 1', true, () => this.agentArgs('edge-1', near));
    const agent2 = await this.add('agent 2', true, () => this.agentArgs('edge-2', far));
    const agent3 = await this.add('agent 3', false, () => this.agentArgs('edge-3', either()));
    this.mortalAgent = agent3;
    const agents = [agent1, agent2, agent3];

    for (const [name, lasts, url] of [
      ['dialer 1', true, () => near],
      ['dialer 2', true, () => far],
      ['dialer 3', false, either],
    ] as const) {
      const ports = await Promise.all(nodes.map(() => freePort()));
      const forwards = nodes.map((node, at) => `${ports[at]}:${node}:127.0.0.1:${targetPort}`);
      const dialer = await this.add(name, lasts, () => ['forward', ...this.dialArgs(url()), ...forwards]);
      if (!lasts) this.mortalDialer = dialer;
      agents.forEach((agent, at) => {
        const mortals = [dialer, agent].filter((member) => !this.lasting.includes(member));
        const port = ports[at] ?? 0;
        this.routes.push({ name: `${name} to ${agent.name}`, mortals, open: () => openForward(port) });
      });
    }

    const [connectPort, socksPort] = [await freePort(), await freePort()];
    await this.add('gateway', true, () => [
      ...['gateway', ...this.dialArgs(near)],
      ...['--http-connect', `127.0.0.1:${connectPort}`, '--socks5', `127.0.0.1:${socksPort}`],
      ...['--e2e', '--e2e-key', rig.path('dial.key'), '--e2e-peers', rig.path('dial.peers')],
    ]);
    this.routes.push(
      {
        name: 'CONNECT, encrypted',
        mortals: [],
        open: () => openConnect(connectPort, `edge-1:${targetPort}`),
      },
      { name: 'SOCKS5, encrypted', mortals: [], open: () => openSocks(socksPort, 'edge-2', targetPort) },
    );
  }

  private async add(name: string, lasts: boolean, args: () => string[]): Promise<Member> {
    const { rig } = this;
    const env = lasts ? { NODE_OPTIONS: '--inspect=127.0.0.1:0' } : {};
    const member = new Member(name, () => rig.start(rig.fairleadPath, args(), 'ignore', { env }));
    await member.start();
    if (lasts) this.lasting.push(member);
    return member;
  }

  private brokerArgs(port: number, natsUrl: string): string[] {
    const secret = this.rig.path('secret');
    return ['broker', '--listen', `127.0.0.1:${port}`, '--auth-secret-file', secret, '--nats', natsUrl];
  }

  private agentArgs(node: string, url: string): string[] {
    const { rig } = this;
    return [
      ...['agent', '--broker', url, '--node', node, '--instance', node, '--drain', '2'],
      ...['--token-file', rig.path(`${node}.token`), '--allow', '127.0.0.1:*'],
      ...['--e2e-key', rig.path('agent.key'), '--e2e-peers', rig.path('agent.peers')],
    ];
  }

  private dialArgs(url: string): string[] {
    return ['--broker', url, '--token-file', this.rig.path('dial.token')];
  }
}

function prefixed(prefix: string, files: object): Record<string, string> {
  return Object.fromEntries(Object.entries(files).map(([name, content]) => [`${prefix}.${name}`, content]));
}

function there<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the network was not started');
  return value;
}
