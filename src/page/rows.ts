// The rows of the page: one for each agent that is connected, and for each node that was until a moment ago. The broker
// remembers nobody who has gone; this does, for as long as somebody looks.

import type { InstanceStatus, NodeStatus } from '../protocol/status.ts';
import { plain } from './format.ts';

/** Points of a sparkline. */
export const historyLength = 60;
const goneForMs = 600_000;
/** A fleet that went all at once is still one page. */
const mostGone = 1000;

export interface Row {
  readonly key: string;
  readonly node: string;
  /** For sorting as people do: `edge-2` before `edge-10`. */
  readonly natural: string;
  instance: InstanceStatus;
  /** What is searched, in lower case; made when somebody searches: see {@link textOf}. */
  text: string | undefined;
  /** Bytes per second both ways, the newest last. */
  readonly history: Float32Array;
  rate: number | undefined;
  /** When it was seen no more, in milliseconds since the epoch. */
  goneAt: number | undefined;
}

export class Rows {
  readonly #rows = new Map<string, Row>();
  #updatedAtMs: number | undefined;

  get all(): Iterable<Row> {
    return this.#rows.values();
  }

  get(key: string): Row | undefined {
    return this.#rows.get(key);
  }

  clear(): void {
    this.#rows.clear();
    this.#updatedAtMs = undefined;
  }

  /** `nowMs` on a clock that never goes back; `isWhole` false: who is missing may be there all the same. */
  update(nodes: readonly NodeStatus[], isWhole: boolean, nowMs: number): void {
    const seconds = this.#updatedAtMs === undefined ? 0 : (nowMs - this.#updatedAtMs) / 1000;
    this.#updatedAtMs = nowMs;
    const here = new Set<string>();
    const present = new Set<string>();
    for (const { node, instances } of nodes) {
      if (instances.length > 0) present.add(node);
      for (const instance of instances) {
        const key = `${node} ${instance.instance}`;
        here.add(key);
        this.#see(key, node, instance, seconds);
      }
    }
    if (isWhole) this.#forget(here, present);
  }

  #see(key: string, node: string, instance: InstanceStatus, seconds: number): void {
    const known = this.#rows.get(key);
    if (known === undefined) {
      const history = new Float32Array(historyLength);
      const natural = naturalKey(`${node} ${instance.instance}`);
      this.#rows.set(key, {
        key,
        node,
        natural,
        instance,
        text: undefined,
        history,
        rate: undefined,
        goneAt: undefined,
      });
      return;
    }
    known.rate = rateOf(known.instance, instance, seconds);
    known.history.copyWithin(0, 1);
    known.history[historyLength - 1] = known.rate ?? 0;
    known.text = undefined;
    known.instance = instance;
    known.goneAt = undefined;
  }

  #forget(here: ReadonlySet<string>, present: ReadonlySet<string>): void {
    const now = Date.now();
    let gone = 0;
    for (const [key, row] of this.#rows) {
      if (here.has(key)) continue;
      if (row.goneAt === undefined) row.text = undefined;
      row.goneAt ??= now;
      row.rate = undefined;
      // Another instance serves the node: what matters of it is there.
      if (present.has(row.node) || now - row.goneAt > goneForMs || ++gone > mostGone) this.#rows.delete(key);
    }
  }
}

/** Undefined where nobody counts, or a new link began to count anew. */
function rateOf(before: InstanceStatus, after: InstanceStatus, seconds: number): number | undefined {
  if (after.receivedBytes === undefined || after.sentBytes === undefined || seconds <= 0) return undefined;
  const isSameLink = before.since === after.since;
  const received = after.receivedBytes - (isSameLink ? (before.receivedBytes ?? 0) : 0);
  const sent = after.sentBytes - (isSameLink ? (before.sentBytes ?? 0) : 0);
  return Math.max(0, received + sent) / seconds;
}

export function textOf(row: Row): string {
  row.text ??= searchable(row);
  return row.text;
}

function searchable({ node, instance: it, goneAt }: Row): string {
  const words = [
    node,
    it.instance,
    goneAt === undefined ? it.state : 'gone',
    it.version ?? '',
    it.address ?? '',
  ];
  words.push(...it.routes, it.lastError?.code ?? '', it.lastError?.reason ?? '');
  for (const [key, value] of Object.entries(it.labels)) words.push(`${key}=${value}`);
  return plain(words.join(' ')).toLowerCase();
}

/** Runs of digits get one length, so that comparing code units compares numbers. */
function naturalKey(text: string): string {
  return text.toLowerCase().replace(/\d{1,15}/g, (digits) => digits.padStart(15, '0'));
}
