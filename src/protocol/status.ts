// What GET /v1/status answers: the broker, and who is connected to it, as far as the engine knows. What it does
// not know is absent, never zero.

import * as z from 'zod/mini';

const count = z.int().check(z.minimum(0));

/** Why something failed last, as a peer tells it: for people, and never to be believed. */
export const lastErrorSchema = z.object({
  /** From the closed list (docs/protocol.md), as the peer has it. */
  code: z.string().check(z.maxLength(32)),
  reason: z.string().check(z.maxLength(256)),
  /** When, ISO 8601, by the clock of whoever tells it. */
  at: z.iso.datetime(),
});
export type LastError = z.infer<typeof lastErrorSchema>;

/** Agent to broker in STATUS: how it is with the agent. */
export const reportSchema = z.object({
  /** Streams that are open, over all sessions. */
  streams: z.int().check(z.minimum(0)),
  lastError: z.optional(lastErrorSchema),
});
export type AgentReport = z.infer<typeof reportSchema>;

const instanceSchema = z.object({
  instance: z.string(),
  version: z.nullable(z.string()),
  /** `draining`: it keeps its sessions and takes no new streams. */
  state: z.enum(['ready', 'draining']),
  /** When its link was opened, ISO 8601. */
  since: z.string(),
  /** Where its link comes from: an IP address. */
  address: z.optional(z.string()),
  /** What the node's owner says of it. */
  labels: z.record(z.string(), z.string()),
  /** What it serves besides the node's name: names, addresses, CIDRs, `default`. */
  routes: z.array(z.string()),
  /** Sessions whose dialer is connected. */
  sessions: count,
  /** Streams that are open, as the agent told last. */
  streams: z.optional(count),
  /** From the broker to the agent and back, by the last WebSocket ping. */
  rttMs: z.optional(z.number()),
  /** Of its present link, since that was opened: from the agent. */
  receivedBytes: z.optional(count),
  /** To the agent. */
  sentBytes: z.optional(count),
  lastError: z.optional(lastErrorSchema),
});
/** How it is with one agent of a node. */
export interface InstanceStatus extends z.infer<typeof instanceSchema> {}

const nodeSchema = z.object({
  node: z.string(),
  /** The oldest link first. */
  instances: z.array(instanceSchema),
});
/** A node, and how it is with its agents. */
export interface NodeStatus extends z.infer<typeof nodeSchema> {}

const brokerSchema = z.object({
  version: z.string(),
  engine: z.enum(['memory', 'nats', 'edge']),
  /** When this process began, ISO 8601; absent where there is no process that lasts. */
  startedAt: z.optional(z.string()),
  draining: z.boolean(),
  /** Links that end here, at this replica; at the edge, all of them. */
  links: z.object({ agent: count, dial: count }),
  sessions: count,
  /** Since it began. */
  received: z.optional(
    z.object({ agentBytes: count, dialBytes: count, agentMessages: count, dialMessages: count }),
  ),
  /** What waits for peers to read, over all links. */
  bufferedBytes: z.optional(count),
  /** How late the event loop was at worst, but for one look in a hundred, in the last minute or so. */
  eventLoopP99Ms: z.optional(z.number()),
});
export type BrokerStatus = z.infer<typeof brokerSchema>;

export const statusSchema = z.object({
  broker: brokerSchema,
  /** Those that the token grants, by name, over all replicas. */
  nodes: z.array(nodeSchema),
  /** True where a replica did not answer, so that there may be more. */
  partial: z.optional(z.boolean()),
});
/** The broker, and how it is with the nodes that the caller may dial. */
export interface Status extends z.infer<typeof statusSchema> {}

/** What a gateway tells of itself. */
export interface GatewayStatus {
  readonly version: string;
  readonly startedAt: string;
  readonly draining: boolean;
  /** Connections of tools that are open now. */
  readonly connections: number;
  readonly fronts: readonly GatewayFrontStatus[];
  /** Dials since it began, by what came of them: `connected`, or a code. */
  readonly dials: Readonly<Record<string, number>>;
}

export interface GatewayFrontStatus {
  readonly kind: 'http-connect' | 'socks5' | 'proxy';
  readonly address: string;
  readonly connections: number;
}

/** What a status page shows: a broker's own status, or a gateway's with that of its broker, where that answers. */
export interface ShownStatus extends Omit<Status, 'broker'> {
  readonly broker?: BrokerStatus;
  readonly gateway?: GatewayStatus;
  /** Why the gateway has nothing of its broker. */
  readonly unreachable?: string;
}

export const statusPath = '/v1/status';
