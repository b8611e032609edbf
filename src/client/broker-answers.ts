// What the broker's lists say: the nodes that it knows, and who serves a host.

import * as z from 'zod/mini';

const instanceSchema = z.object({
  instance: z.string(),
  version: z.nullable(z.string()),
  /** When its link was opened, ISO 8601. */
  since: z.string(),
  /** True while it takes no new streams. */
  draining: z.boolean(),
  /** What it serves besides the node's own name: names, addresses, CIDRs, `default`. */
  routes: z._default(z.array(z.string()), []),
  /** What the node's owner says of it. */
  labels: z._default(z.record(z.string(), z.string()), {}),
  /** Sessions whose dialer is connected. */
  sessions: z.number(),
});
const nodeSchema = z.object({ node: z.string(), instances: z.array(instanceSchema) });

/** A node that an agent serves, with the agents that do, the oldest link first. */
export interface NodeInfo extends z.infer<typeof nodeSchema> {}

export const nodesPath = '/v1/nodes';
export const nodesSchema = z.object({ nodes: z.array(nodeSchema) });

const holderSchema = z.object({
  node: z.string().check(z.minLength(1), z.maxLength(253)),
  /** What matched: the node's own name, or one of its routes. */
  route: z.string(),
  /** Sessions whose dialer is connected. */
  sessions: z.number(),
});

/** A node that serves a host. */
export interface HostHolder extends z.infer<typeof holderSchema> {}

export const resolvePath = '/v1/resolve';
export const resolveSchema = z.object({
  nodes: z.array(holderSchema).check(z.minLength(1), z.maxLength(64)),
});
