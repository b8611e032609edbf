// The nodes of all replicas: asked of each at the moment, and put together. Nothing is kept.

import { setImmediate as turn } from 'node:timers/promises';
import type { NodeQuestion, NodeSummary } from '../directory.ts';
import type { Bus } from './bus.ts';
import { pageSchema, parse } from './messages.ts';

/** Longest wait for the next page: a hundred thousand nodes take longer than that altogether. */
const patienceMs = 2000;
/** A page is small beside any server's limit. */
const nodesPerPage = 100;
/** What one question may bring; a bound against answers that never end. */
const mostPages = 10_000;

export interface Census {
  readonly pages: readonly (readonly NodeSummary[])[];
  /** False where a replica that is there did not answer in time. */
  readonly isWhole: boolean;
}

/** Asks on `subject`; the `others`, replicas that are there, answer to `inbox`. */
export async function takeCensus(
  bus: Bus,
  subject: string,
  inbox: string,
  others: readonly string[],
  question: NodeQuestion,
): Promise<Census> {
  if (others.length === 0 || !bus.isUp) return { pages: [], isWhole: bus.isUp };
  const waiting = new Set(others);
  const pages: NodeSummary[][] = [];
  return new Promise((resolve) => {
    const done = (isWhole: boolean) => {
      clearTimeout(timer);
      subscription?.unsubscribe();
      resolve({ pages, isWhole });
    };
    const timer = setTimeout(() => done(false), patienceMs);
    const subscription = bus.subscribe(inbox, ({ data, kind }) => {
      const page = kind === 'nobody' ? undefined : parse(pageSchema, data);
      if (page === undefined) return;
      timer.refresh();
      pages.push(page.nodes);
      if (page.isLast) waiting.delete(page.replica);
      if (waiting.size === 0 || pages.length >= mostPages) done(waiting.size === 0);
    });
    bus.say(subject, 'nodes', question, inbox);
  });
}

/** Answers another replica's question, a page in each turn of the event loop. */
export async function answerCensus(
  bus: Bus,
  inbox: string,
  replica: string,
  nodes: Iterable<NodeSummary>,
): Promise<void> {
  let page: NodeSummary[] = [];
  for (const node of nodes) {
    if (page.length === nodesPerPage) {
      bus.say(inbox, 'page', { replica, isLast: false, nodes: page });
      page = [];
      await turn();
    }
    page.push(node);
  }
  bus.say(inbox, 'page', { replica, isLast: true, nodes: page });
}

/** One summary per node; an instance that two replicas claim is the newer one's. */
export function mergeNodes(lists: readonly (readonly NodeSummary[])[]): NodeSummary[] {
  const merged = new Map<string, Map<string, NodeSummary['instances'][number]>>();
  for (const { node, instances } of lists.flat()) {
    const known = merged.get(node) ?? new Map();
    merged.set(node, known);
    for (const instance of instances) {
      const other = known.get(instance.instance);
      if (other === undefined || other.since < instance.since) known.set(instance.instance, instance);
    }
  }
  return [...merged]
    .map(([node, instances]) => ({
      node,
      instances: [...instances.values()].sort((a, b) => (a.since < b.since ? -1 : 1)),
    }))
    .sort((a, b) => (a.node < b.node ? -1 : 1));
}
