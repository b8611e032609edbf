// Which node serves a host: the exact name or address first, then the longest prefix, then the default. Agents that
// drain serve nothing new.

import type { NodeSummary } from './directory.ts';
import { normalRoute, prefixBits } from './identity-routes.ts';

export interface Candidate {
  readonly node: string;
  /** What matched: the node's own name, or one of its routes. */
  readonly route: string;
  /** Sessions whose dialer is connected, at the instances that take new ones. */
  readonly sessions: number;
}

/** More than anybody would try one after the other. */
const mostCandidates = 16;

/** A node's own name comes before what others claim. */
const ownName = 1000;
const exactName = 999;
const defaultRoute = -1;

/** The one form of a host, as routes have it; undefined where it is no host name and no address. */
export function normalHost(text: string): string | undefined {
  if (text.length > 253 || text.includes('/') || text === 'default') return undefined;
  return normalRoute(text.replace(/^\[(.*)\]$/, '$1'));
}

/**
 * Who serves `host` (as {@link normalHost} gives it): those with the best match only, those with the fewest sessions
 * first, at most 16.
 */
export function resolveHost(host: string, nodes: Iterable<NodeSummary>): Candidate[] {
  let best = Number.NEGATIVE_INFINITY;
  let found: Candidate[] = [];
  for (const { node, instances } of nodes) {
    const serving = instances.filter(({ draining }) => !draining);
    let rank = Number.NEGATIVE_INFINITY;
    let matched = '';
    for (const route of serving.length === 0 ? [] : [node, ...serving.flatMap(({ routes }) => routes)]) {
      const score = route === node ? (host === node ? ownName : undefined) : match(host, route);
      if (score === undefined || score <= rank) continue;
      rank = score;
      matched = route;
    }
    if (matched === '' || rank < best) continue;
    if (rank > best) found = [];
    best = rank;
    found.push({ node, route: matched, sessions: serving.reduce((sum, { sessions }) => sum + sessions, 0) });
  }
  return found.sort((a, b) => a.sessions - b.sessions || (a.node < b.node ? -1 : 1)).slice(0, mostCandidates);
}

/** Higher is better; undefined: the route is not for this host. */
function match(host: string, route: string): number | undefined {
  if (route === host) return exactName;
  if (route === 'default') return defaultRoute;
  return prefixBits(route, host);
}
