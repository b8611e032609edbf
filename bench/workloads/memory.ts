// What idle agents and idle streams take, by process, beside what the sockets alone take. The processes are fresh, and
// have had a tenth of the load before, so that what is taken once and for all is not counted.

import { memoryInUse } from '../inspector.ts';
import { type Path, type Processes, residentBytes, type Started } from '../processes.ts';
import type { FairleadPath } from '../subjects/fairlead.ts';

/** Bytes for each. */
export interface IdleMemory {
  readonly name: string;
  /** Heap and buffers after a collection, by process. */
  readonly inUse: Readonly<Record<string, number>>;
  /** Of the process as the system sees it, with what V8 and malloc hold in reserve. */
  readonly resident: Readonly<Record<string, number>>;
}

type Roles = Readonly<Record<string, Started>>;

/** For each of `count` idle connections through a path, by process. */
export async function idleStreams(processes: Processes, path: Path, count: number): Promise<IdleMemory> {
  const open = (streams: number) =>
    processes.script('workloads/idle-streams', String(path.port), String(streams));
  await open(Math.ceil(count / 10));
  return { name: path.name, ...(await growth(path.processes, count, () => open(count))) };
}

/** For each accepted and each connected socket of Node that does nothing. */
export async function idleSockets(processes: Processes, count: number): Promise<IdleMemory> {
  const accepting = await processes.script('subjects/socket-holder');
  const open = (streams: number) =>
    processes.script('workloads/idle-streams', String(accepting.port), String(streams));
  const few = await open(Math.ceil(count / 10));
  let many: Started | undefined;
  const accepted = await growth({ accepting }, count, async () => {
    many = await open(count + Math.ceil(count / 10));
  });
  const connecting = await Promise.all([few, many ?? few].map((process) => memory({ process })));
  const connected = difference(connecting[1], connecting[0], count);
  return {
    name: 'node sockets alone',
    inUse: { accepted: accepted.inUse.accepting ?? 0, connected: connected.inUse.process ?? 0 },
    resident: { accepted: accepted.resident.accepting ?? 0, connected: connected.resident.process ?? 0 },
  };
}

/** At the broker, for each of `count` agents that have nothing to do. */
export async function idleAgents(
  processes: Processes,
  path: FairleadPath,
  count: number,
): Promise<IdleMemory> {
  const { agent, dialer, ...brokers } = path.processes;
  const access = [path.secretFile, path.brokerUrl, path.caFile ?? ''];
  const start = (agents: number) => processes.script('workloads/idle-agents', ...access, String(agents));
  await start(Math.ceil(count / 10));
  return { name: path.name, ...(await growth(brokers, count, () => start(count))) };
}

/** For each WebSocket of `ws` that does nothing, at the server. */
export async function idleWebSockets(processes: Processes, count: number): Promise<IdleMemory> {
  const server = await processes.script('subjects/bare-websockets');
  const start = (sockets: number) =>
    processes.script('workloads/idle-websockets', String(server.port), String(sockets));
  await start(Math.ceil(count / 10));
  return { name: 'ws alone', ...(await growth({ server }, count, () => start(count))) };
}

type Memory = Pick<IdleMemory, 'inUse' | 'resident'>;

async function growth(roles: Roles, count: number, work: () => Promise<unknown>): Promise<Memory> {
  const before = await memory(roles);
  await work();
  return difference(await memory(roles), before, count);
}

async function memory(roles: Roles): Promise<Memory> {
  const inUse: Record<string, number> = {};
  const resident: Record<string, number> = {};
  for (const [role, process] of Object.entries(roles)) {
    // Of a server that is not Node's only the system knows.
    if (process.inspector !== undefined) inUse[role] = await memoryInUse(process);
    resident[role] = residentBytes(process);
  }
  return { inUse, resident };
}

function difference(after: Memory | undefined, before: Memory | undefined, count: number): Memory {
  const less = (of: 'inUse' | 'resident') =>
    Object.fromEntries(
      Object.entries(after?.[of] ?? {}).map(([role, bytes]) => [
        role,
        (bytes - (before?.[of][role] ?? 0)) / count,
      ]),
    );
  return { inUse: less('inUse'), resident: less('resident') };
}
