// A host of a test's own: a network namespace, ended with all that runs in it. Needs root, and Debian's iproute2.

import { execFileSync } from 'node:child_process';

let made = 0;
const alive = new Set<Namespace>();

/** For a program that is told to stop: ends the hosts that are left. */
export function endNamespaces(): void {
  for (const namespace of alive) namespace[Symbol.dispose]();
}

export class Namespace implements Disposable {
  readonly name: string;

  constructor(what: string) {
    made += 1;
    this.name = `fl-${process.pid}-${made}-${what}`;
    ip('netns', 'add', this.name);
    alive.add(this);
    this.run('ip', 'link', 'set', 'lo', 'up');
  }

  /** A program's command line, so that it runs here: for `spawn`. */
  command(program: string, ...args: string[]): readonly [string, string[]] {
    return ['ip', ['netns', 'exec', this.name, program, ...args]];
  }

  /** Runs a program to its end and answers what it wrote. */
  run(program: string, ...args: string[]): string {
    return execFileSync(...this.command(program, ...args), { stdio: ['ignore', 'pipe', 'pipe'] }).toString();
  }

  /** A cable to another host: `address` is this end's, as `10.0.0.1/24`. Interfaces are called after the other end. */
  connect(other: Namespace, what: string, address: string, otherAddress: string): void {
    ip(
      'link',
      'add',
      `${what}a`,
      'netns',
      this.name,
      'type',
      'veth',
      'peer',
      'name',
      `${what}b`,
      'netns',
      other.name,
    );
    for (const [host, device, own] of [
      [this, `${what}a`, address],
      [other, `${what}b`, otherAddress],
    ] as const) {
      host.run('ip', 'address', 'add', own, 'dev', device);
      // What it carries may be packets of another network, in datagrams.
      host.run('ip', 'link', 'set', device, 'mtu', '65535', 'up');
    }
  }

  [Symbol.dispose](): void {
    alive.delete(this);
    for (const pid of ip('netns', 'pids', this.name).split('\n').filter(Boolean)) {
      try {
        process.kill(Number(pid), 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
    ip('netns', 'delete', this.name);
  }
}

function ip(...args: string[]): string {
  return execFileSync('ip', args, { stdio: ['ignore', 'pipe', 'pipe'] }).toString();
}
