// Who is connected, as /v1/nodes and /v1/status tell it: read off the open links at the moment of asking.

import type { LastError } from '../protocol/status.ts';
import { servesHost } from './identity-routes.ts';
import type { AgentLink, AgentTag, Observed } from './link.ts';
import type { Switchboard } from './switchboard.ts';

/** What the engine does not see, or the agent has not told, is absent. */
export interface InstanceSummary extends Observed {
  readonly instance: string;
  readonly version: string | null;
  /** When its link was opened, ISO 8601. */
  readonly since: string;
  readonly draining: boolean;
  readonly labels: Readonly<Record<string, string>>;
  /** What it serves besides the node's own name: names, addresses, CIDRs, `default`. */
  readonly routes: readonly string[];
  /** Sessions whose dialer is connected. */
  readonly sessions: number;
  /** Streams that are open, as the agent told last. */
  readonly streams?: number | undefined;
  readonly lastError?: LastError | undefined;
}

export interface NodeSummary {
  readonly node: string;
  /** Oldest link first. */
  readonly instances: readonly InstanceSummary[];
}

/** What is asked of the nodes: all of them, one by its name, or whoever serves a host (in its normal form). */
export interface NodeQuestion {
  readonly node?: string | undefined;
  readonly host?: string | undefined;
}

export interface NodeList {
  readonly nodes: NodeSummary[];
  /** False where a replica did not answer in time, so that there may be more. */
  readonly isWhole: boolean;
}

/** Nodes that have an agent, by name. */
export function listNodes(switchboard: Switchboard, question: NodeQuestion = {}): NodeSummary[] {
  const nodes = new Map<string, InstanceSummary[]>();
  for (const link of switchboard.agents(question.node)) {
    const { node } = link.tag;
    if (!concerns(question, link.tag)) continue;
    const instances = nodes.get(node);
    if (instances === undefined) nodes.set(node, [summarize(switchboard, link)]);
    else instances.push(summarize(switchboard, link));
  }
  return [...nodes]
    .map(([node, instances]) => ({ node, instances }))
    .sort((a, b) => (a.node < b.node ? -1 : 1));
}

/** The same an instance at a time, in no order: nodes that come and go meanwhile may be in it or not. */
export function* eachInstance(switchboard: Switchboard, question: NodeQuestion): Iterable<NodeSummary> {
  for (const link of switchboard.agents(question.node))
    if (concerns(question, link.tag))
      yield { node: link.tag.node, instances: [summarize(switchboard, link)] };
}

/** True where the node serves `host`; undefined: any. */
export function servesNode({ node, instances }: NodeSummary, host: string | undefined): boolean {
  return host === undefined || instances.some(({ routes }) => concerns({ host }, { node, routes }));
}

/** True where a node with this name and these routes belongs into the answer. */
function concerns({ node, host }: NodeQuestion, tag: Pick<AgentTag, 'node' | 'routes'>): boolean {
  if (node !== undefined) return tag.node === node;
  return host === undefined || tag.node === host || tag.routes.some((route) => servesHost(route, host));
}

function summarize(switchboard: Switchboard, link: AgentLink): InstanceSummary {
  const { node, instance, version, since, state, labels, routes, told } = link.tag;
  let sessions = 0;
  for (const dialer of switchboard.dialers(node)) if (dialer.tag.instance === instance) sessions++;
  return {
    instance,
    version: version ?? null,
    since: new Date(since).toISOString(),
    draining: state === 'draining',
    labels,
    routes,
    sessions,
    ...link.observed,
    ...told,
  };
}
