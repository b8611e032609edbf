// A path between two hosts of a test, with the delay, the loss, the rate and the accidents that the test wants. Each host
// has a TUN device (socat's), whose packets go as datagrams through a process that stands for the path.

import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface, type Interface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { Namespace } from './namespace.ts';
import type { PathConditions, PathCounts } from './path-conditions.ts';

/** The hosts' addresses on the path. */
export const pathAddresses = ['10.78.0.1', '10.78.0.2'] as const;

/** As it is built: it runs under the machine's own Node, which reads no TypeScript. */
const emulator = fileURLToPath(
  new URL(
    import.meta.url.endsWith('.ts') ? '../../../dist/test/rig/network/emulator.js' : 'emulator.js',
    import.meta.url,
  ),
);
const port = 7000;
/** A path does not get longer because the machine has other work: what stands for it goes first. */
const first = ['nice', '-n', '-10'] as const;
/** What socat reads at once: a whole packet, of whatever size. */
const largestPacketBytes = 65_536;

export interface EmulatedPathOptions {
  /** Default 1. */
  readonly seed?: number;
  /** Bytes of a packet. Default 1500. */
  readonly mtu?: number;
}

export class EmulatedPath implements Disposable {
  private readonly wire: Namespace;
  private readonly children: ChildProcess[];
  private readonly emulator: ChildProcess;
  private readonly answers: Interface;

  private constructor(wire: Namespace, children: ChildProcess[], emulator: ChildProcess, answers: Interface) {
    this.wire = wire;
    this.children = children;
    this.emulator = emulator;
    this.answers = answers;
  }

  static async between(
    a: Namespace,
    b: Namespace,
    conditions: PathConditions,
    { seed = 1, mtu = 1500 }: EmulatedPathOptions = {},
  ): Promise<EmulatedPath> {
    const wire = new Namespace('wire');
    a.connect(wire, 'wa', '10.77.1.1/24', '10.77.1.2/24');
    b.connect(wire, 'wb', '10.77.2.1/24', '10.77.2.2/24');
    const ends = ['1', '2'].flatMap((end) => [`10.77.${end}.2:${port}`, `10.77.${end}.1:${port}`]);
    const child = spawn(...wire.command(...first, process.execPath, emulator, String(seed), ...ends), {
      stdio: ['pipe', 'pipe', 'inherit'],
    });
    const answers = createInterface({ input: child.stdout });
    await once(answers, 'line');
    const children: ChildProcess[] = [child];
    [a, b].forEach((host, at) => {
      const end = at + 1;
      const device = `TUN:${pathAddresses[at]}/24,tun-name=path,iff-no-pi,iff-up`;
      const wireEnd = `UDP4-DATAGRAM:10.77.${end}.2:${port},bind=10.77.${end}.1:${port},rcvbuf=8388608,sndbuf=8388608`;
      const args = ['-b', String(largestPacketBytes), device, wireEnd];
      children.push(
        spawn(...host.command(...first, 'socat', ...args), { stdio: ['ignore', 'ignore', 'inherit'] }),
      );
    });
    const path = new EmulatedPath(wire, children, child, answers);
    for (const host of [a, b]) {
      await until(() => host.run('ip', '-brief', 'link').includes('path'));
      host.run('ip', 'link', 'set', 'path', 'mtu', String(mtu), 'txqueuelen', '10000');
    }
    await path.become(conditions);
    return path;
  }

  /** From now on it is like this. Answers what it has done until now. */
  async become(conditions: PathConditions): Promise<PathCounts> {
    return this.ask(JSON.stringify(conditions));
  }

  counts(): Promise<PathCounts> {
    return this.ask('');
  }

  [Symbol.dispose](): void {
    for (const child of this.children) child.kill('SIGKILL');
    this.wire[Symbol.dispose]();
  }

  private async ask(line: string): Promise<PathCounts> {
    this.emulator.stdin?.write(`${line}\n`);
    const [answer] = (await once(this.answers, 'line')) as [string];
    return JSON.parse(answer) as PathCounts;
  }
}

async function until(isSo: () => boolean): Promise<void> {
  for (let tries = 0; !isSo(); tries += 1) {
    if (tries > 100) throw new Error('the device of the path did not come');
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
