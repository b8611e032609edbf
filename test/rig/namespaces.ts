// Machines in small: network namespaces of the test's own, gone with the rig. Needs root.

import type { Rig } from './rig.ts';

let count = 0;

export class Machine {
  readonly name: string;
  private readonly rig: Rig;

  private constructor(rig: Rig, name: string) {
    this.rig = rig;
    this.name = name;
  }

  static async create(rig: Rig): Promise<Machine> {
    count += 1;
    const machine = new Machine(rig, `fairlead-${process.pid}-${count}`);
    await ip(rig, 'netns', 'add', machine.name);
    // The name goes now, the namespace itself with the last program in it.
    rig.defer(() => ip(rig, 'netns', 'del', machine.name));
    await machine.ip('link', 'set', 'lo', 'up');
    return machine;
  }

  async ip(...args: string[]): Promise<void> {
    await ip(this.rig, '-n', this.name, ...args);
  }

  /** A command line that runs there. */
  within(...command: string[]): [string, string[]] {
    return ['ip', ['netns', 'exec', this.name, ...command]];
  }
}

/** A cable between two machines; the addresses are with their prefix lengths. */
export async function connectMachines(
  rig: Rig,
  [left, leftAddress]: readonly [Machine, string],
  [right, rightAddress]: readonly [Machine, string],
): Promise<void> {
  await ip(
    rig,
    ...['link', 'add', 'up0', 'netns', left.name, 'type', 'veth'],
    ...['peer', 'name', 'up0', 'netns', right.name],
  );
  for (const [machine, address] of [
    [left, leftAddress],
    [right, rightAddress],
  ] as const) {
    const noWait = address.includes(':') ? ['nodad'] : [];
    await machine.ip('addr', 'add', address, 'dev', 'up0', ...noWait);
    await machine.ip('link', 'set', 'up0', 'up');
  }
}

async function ip(rig: Rig, ...args: string[]): Promise<void> {
  const { code, stderr } = await rig.run('ip', args);
  if (code !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr}`);
}
