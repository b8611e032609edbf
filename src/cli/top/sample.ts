// One look at the broker, with the rates since the look before: the difference of what it has counted, never of what
// another link or another process counted.

import type { InstanceStatus, Status } from '../../client/index.ts';

export interface TopRow {
  readonly node: string;
  readonly instance: string;
  readonly state: 'ready' | 'draining';
  /** When its link was opened, ISO 8601. */
  readonly since: string;
  readonly sessions: number;
  readonly streams?: number | undefined;
  readonly rttMs?: number | undefined;
  /** From the agent; absent until two looks saw the same link. */
  readonly inBytesPerSecond?: number | undefined;
  /** To the agent. */
  readonly outBytesPerSecond?: number | undefined;
  readonly lastError?: InstanceStatus['lastError'];
}

export interface Sample {
  /** Milliseconds since the epoch. */
  readonly atMs: number;
  readonly broker: Status['broker'];
  readonly partial: boolean;
  readonly rows: readonly TopRow[];
  /** Of the whole broker. */
  readonly fromAgentsPerSecond?: number | undefined;
  readonly fromDialersPerSecond?: number | undefined;
  /** What the next sample is compared with. */
  readonly status: Status;
}

export function takeSample(status: Status, atMs: number, before: Sample | undefined): Sample {
  const seconds = before === undefined ? 0 : (atMs - before.atMs) / 1000;
  const known = new Map<string, InstanceStatus>();
  for (const { node, instances } of before?.status.nodes ?? [])
    for (const agent of instances) known.set(keyOf(node, agent), agent);
  const rows = status.nodes.flatMap(({ node, instances }) =>
    instances.map((agent): TopRow => {
      const earlier = known.get(keyOf(node, agent));
      const { instance, state, since, sessions, streams, rttMs, lastError } = agent;
      return {
        ...{ node, instance, state, since, sessions, streams, rttMs, lastError },
        inBytesPerSecond: rate(earlier?.receivedBytes, agent.receivedBytes, seconds),
        outBytesPerSecond: rate(earlier?.sentBytes, agent.sentBytes, seconds),
      };
    }),
  );
  // Another replica behind the same address, or the same one begun again, has counts of its own.
  const isSame = before?.broker.startedAt === status.broker.startedAt;
  const [was, is] = [isSame ? before?.broker.received : undefined, status.broker.received];
  return {
    atMs,
    status,
    broker: status.broker,
    partial: status.partial === true,
    rows,
    fromAgentsPerSecond: rate(was?.agentBytes, is?.agentBytes, seconds),
    fromDialersPerSecond: rate(was?.dialBytes, is?.dialBytes, seconds),
  };
}

/** A link that was opened again has another `since`. */
function keyOf(node: string, { instance, since }: { instance: string; since: string }): string {
  return JSON.stringify([node, instance, since]);
}

function rate(before: number | undefined, now: number | undefined, seconds: number): number | undefined {
  if (before === undefined || now === undefined || now < before || !(seconds > 0)) return undefined;
  return (now - before) / seconds;
}
