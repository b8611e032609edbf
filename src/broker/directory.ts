// Who is connected, as /v1/nodes tells it: read off the open links at the moment of asking.

import type { AgentLink } from './link.ts';
import type { Switchboard } from './switchboard.ts';

interface InstanceSummary {
  readonly instance: string;
  readonly version: string | null;
  /** When its link was opened, ISO 8601. */
  readonly since: string;
  readonly draining: boolean;
  /** Sessions whose dialer is connected. */
  readonly sessions: number;
}

export interface NodeSummary {
  readonly node: string;
  /** Oldest link first. */
  readonly instances: readonly InstanceSummary[];
}

export interface NodeList {
  readonly nodes: NodeSummary[];
  /** False where a replica did not answer in time, so that there may be more. */
  readonly isWhole: boolean;
}

/** Nodes that have an agent and that `mayShow` allows, by name. */
export function listNodes(switchboard: Switchboard, mayShow: (node: string) => boolean): NodeSummary[] {
  const nodes = new Map<string, InstanceSummary[]>();
  for (const link of switchboard.agents()) {
    const { node } = link.tag;
    if (!mayShow(node)) continue;
    const instances = nodes.get(node);
    if (instances === undefined) nodes.set(node, [summarize(switchboard, link)]);
    else instances.push(summarize(switchboard, link));
  }
  return [...nodes]
    .map(([node, instances]) => ({ node, instances }))
    .sort((a, b) => (a.node < b.node ? -1 : 1));
}

function summarize(switchboard: Switchboard, link: AgentLink): InstanceSummary {
  const { node, instance, version, since, state } = link.tag;
  let sessions = 0;
  for (const dialer of switchboard.dialers(node)) if (dialer.tag.instance === instance) sessions++;
  return {
    instance,
    version: version ?? null,
    since: new Date(since).toISOString(),
    draining: state === 'draining',
    sessions,
  };
}
