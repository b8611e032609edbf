// All that can be compared, by name.

import type { Path, Processes, Started } from '../processes.ts';
import { type FairleadOptions, startFairlead } from './fairlead.ts';
import { direct, nodeChain, openssh, socatChain, wisp, wssChain } from './peers.ts';

type Starter = (processes: Processes, target: Started) => Path | Promise<Path>;

export const fairleads: Readonly<Record<string, FairleadOptions>> = {
  fairlead: {},
  'fairlead-tls': { tls: true },
  'fairlead-nats': { engine: 'nats' },
  'fairlead-edge': { engine: 'edge' },
  'fairlead-e2e': { e2e: true },
};

const starters: Readonly<Record<string, Starter>> = {
  direct: (_, target) => direct(target),
  'chain-1': (processes, { port }) => nodeChain(processes, port, 1),
  'chain-2': (processes, { port }) => nodeChain(processes, port, 2),
  'chain-3': (processes, { port }) => nodeChain(processes, port, 3),
  'wss-chain': (processes, { port }) => wssChain(processes, port),
  'socat-3': (processes, { port }) => socatChain(processes, port),
  'openssh-R': (processes, { port }) => openssh(processes, port),
  wisp: (processes, { port }) => wisp(processes, port),
  ...Object.fromEntries(
    Object.entries(fairleads).map(([name, options]) => [
      name,
      (processes: Processes, { port }: Started) => startFairlead(processes, name, port, options),
    ]),
  ),
};

export const subjectNames: readonly string[] = Object.keys(starters);

export const defaultSubjects: readonly string[] = [
  ...['direct', 'chain-1', 'chain-2', 'chain-3', 'socat-3', 'openssh-R', 'wisp'],
  ...['fairlead', 'fairlead-tls'],
];

export async function startSubject(processes: Processes, name: string, target: Started): Promise<Path> {
  const start = starters[name];
  if (start === undefined) throw new Error(`no subject is called ${name}`);
  return await start(processes, target);
}
