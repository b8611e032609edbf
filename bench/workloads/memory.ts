// What idle agents and idle streams take: resident memory by process, less what it was before they came, beside what
// the sockets alone take. The processes are fresh, and have had a tenth of the load before, so that what is taken
// once and for all is not counted.

import { type Path, type Processes, residentBytes, type Started } from '../processes.ts';
import type { FairleadPath } from '../subjects/fairlead.ts';

/** Bytes for each. */
export interface IdleMemory {
  readonly name: string;
  readonly bytes: Readonly<Record<string, number>>;
}

/** For each of `count` idle connections through a path, by process. */
export async function idleStreams(processes: Processes, path: Path, count: number): Promise<IdleMemory> {
  await processes.script('workloads/idle-streams', String(path.port), String(Math.ceil(count / 10)));
  const before = resident(path.processes);
  await processes.script('workloads/idle-streams', String(path.port), String(count));
  return { name: path.name, bytes: grown(path.processes, before, count) };
}

/** For each accepted and each connected socket of Node that does nothing. */
export async function idleSockets(processes: Processes, count: number): Promise<IdleMemory> {
  const accepting = await processes.script('subjects/socket-holder');
  await processes.script('workloads/idle-streams', String(accepting.port), String(Math.ceil(count / 10)));
  const before = residentBytes(accepting);
  const empty = await processes.script('workloads/idle-streams', String(accepting.port), '1');
  const connecting = await processes.script('workloads/idle-streams', String(accepting.port), String(count));
  return {
    name: 'node sockets alone',
    bytes: {
      accepted: (residentBytes(accepting) - before) / count,
      connected: (residentBytes(connecting) - residentBytes(empty)) / count,
    },
  };
}

/** At the broker, for each of `count` agents that have nothing to do. */
export async function idleAgents(
  processes: Processes,
  path: FairleadPath,
  count: number,
): Promise<IdleMemory> {
  const { agent, dialer, ...brokers } = path.processes;
  const start = (agents: number) =>
    processes.script('workloads/idle-agents', path.secretFile, path.brokerUrl, String(agents));
  const warm = await start(Math.ceil(count / 10));
  const before = resident(brokers);
  const more = await start(count);
  const memory = { name: path.name, bytes: grown(brokers, before, count) };
  for (const { pid } of [warm, more]) process.kill(pid, 'SIGTERM');
  return memory;
}

/** For each WebSocket of `ws` that does nothing, at the server. */
export async function idleWebSockets(processes: Processes, count: number): Promise<IdleMemory> {
  const server = await processes.script('subjects/bare-websockets');
  const start = (sockets: number) =>
    processes.script('workloads/idle-websockets', String(server.port), String(sockets));
  await start(Math.ceil(count / 10));
  const before = resident({ server });
  await start(count);
  return { name: 'ws alone', bytes: grown({ server }, before, count) };
}

function resident(started: Readonly<Record<string, Started>>): Record<string, number> {
  return Object.fromEntries(Object.entries(started).map(([role, process]) => [role, residentBytes(process)]));
}

function grown(
  started: Readonly<Record<string, Started>>,
  before: Readonly<Record<string, number>>,
  count: number,
): Record<string, number> {
  const after = resident(started);
  return Object.fromEntries(
    Object.entries(after).map(([role, bytes]) => [role, (bytes - (before[role] ?? 0)) / count]),
  );
}
