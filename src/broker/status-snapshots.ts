// GET /v1/status as it is sent, made at most four times a second for each set of grants: whoever asks more often, and
// however many look, gets what was made a moment ago. So no dialer can keep a broker busy with counting its nodes.

import type { Status } from '../protocol/status.ts';

const freshForMs = 250;
/** More sets of grants than this at once, and some are made anew. */
const mostKept = 64;

export interface Snapshot {
  readonly json: string;
  /** The same, compressed when first asked for. */
  readonly gzip: () => Promise<Uint8Array<ArrayBuffer>>;
}

interface Kept {
  readonly snapshot: Promise<Snapshot>;
  readonly atMs: number;
}

export class StatusSnapshots {
  readonly #kept = new Map<string, Kept>();
  readonly #make: (patterns: readonly string[] | undefined) => Promise<Status>;
  readonly #now: () => number;

  /** `make` for nodes that match one of `patterns`; undefined: all. */
  constructor(
    make: (patterns: readonly string[] | undefined) => Promise<Status>,
    now: () => number = () => performance.now(),
  ) {
    this.#make = make;
    this.#now = now;
  }

  of(patterns: readonly string[] | undefined): Promise<Snapshot> {
    const key = JSON.stringify(patterns ?? null);
    const atMs = this.#now();
    const kept = this.#kept.get(key);
    if (kept !== undefined && atMs - kept.atMs < freshForMs) return kept.snapshot;
    const snapshot = this.#make(patterns).then(snapshotOf);
    // The oldest first, so that the first is the one to go.
    this.#kept.delete(key);
    this.#kept.set(key, { snapshot, atMs });
    for (const [other, { atMs: madeAtMs }] of this.#kept) {
      if (this.#kept.size <= mostKept && atMs - madeAtMs < freshForMs) break;
      this.#kept.delete(other);
    }
    snapshot.catch(() => {
      if (this.#kept.get(key)?.snapshot === snapshot) this.#kept.delete(key);
    });
    return snapshot;
  }
}

function snapshotOf(status: Status): Snapshot {
  const json = JSON.stringify(status);
  let compressed: Promise<Uint8Array<ArrayBuffer>> | undefined;
  return {
    json,
    gzip() {
      compressed ??= gzip(json);
      return compressed;
    },
  };
}

async function gzip(text: string): Promise<Uint8Array<ArrayBuffer>> {
  const stream = new Blob([text]).stream().pipeThrough(new CompressionStream('gzip'));
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
