// Who serves which host, as the broker said a moment ago. Must never hold more than its bound, nor believe an answer
// that a dial has shown to be out of date.

import { FairleadError } from '../protocol/errors.ts';

export interface HostRoutesOptions {
  /** How long an answer is believed, in ms. Range 0 to 60,000; default 5,000. */
  readonly ttlMs: number;
  /** Answers kept at once. Range 1 to 1,000,000; default 10,000. */
  readonly maxHosts: number;
}

const defaultHostRoutes: HostRoutesOptions = { ttlMs: 5_000, maxHosts: 10_000 };

/** Names of the nodes that serve a host, best first. */
export type Lookup = (host: string, signal: AbortSignal) => Promise<readonly string[]>;

interface Answer {
  readonly nodes: readonly string[];
  readonly untilMs: number;
}

interface Asking {
  readonly answer: Promise<readonly string[]>;
  readonly stop: AbortController;
  waiting: number;
}

export class HostRoutes {
  readonly #lookup: Lookup;
  readonly #options: HostRoutesOptions;
  /** Oldest first. */
  readonly #answers = new Map<string, Answer>();
  readonly #asking = new Map<string, Asking>();

  constructor(lookup: Lookup, options: HostRoutesOptions = defaultHostRoutes) {
    this.#lookup = lookup;
    this.#options = options;
  }

  /** Answers kept, the expired ones included. */
  get size(): number {
    return this.#answers.size;
  }

  /**
   * Those who ask for one host at the same time share one look-up, which ends when the last of them gives up.
   *
   * @throws FairleadError as the look-up; ERR_ABORTED where `signal` gave up
   */
  async holders(host: string, signal: AbortSignal): Promise<readonly string[]> {
    const known = this.#answers.get(host);
    if (known !== undefined && known.untilMs > performance.now()) return known.nodes;
    const asking = this.#asking.get(host) ?? this.#ask(host);
    asking.waiting += 1;
    try {
      return await beforeAbort(asking.answer, signal, host);
    } finally {
      asking.waiting -= 1;
      if (asking.waiting === 0) asking.stop.abort();
    }
  }

  /** The answer that named `nodes` was wrong: the next one is asked for. A newer answer stays. */
  drop(host: string, nodes: readonly string[]): void {
    if (this.#answers.get(host)?.nodes === nodes) this.#answers.delete(host);
  }

  #ask(host: string): Asking {
    const stop = new AbortController();
    const answer = this.#lookup(host, stop.signal).then((nodes) => {
      this.#keep(host, nodes);
      return nodes;
    });
    const asking: Asking = { answer, stop, waiting: 0 };
    this.#asking.set(host, asking);
    const forget = (): void => {
      if (this.#asking.get(host) === asking) this.#asking.delete(host);
    };
    answer.then(forget, forget);
    // One that was given up must not be joined by those who come after.
    stop.signal.addEventListener('abort', forget, { once: true });
    return asking;
  }

  #keep(host: string, nodes: readonly string[]): void {
    this.#answers.delete(host);
    if (this.#answers.size >= this.#options.maxHosts) {
      const [oldest] = this.#answers.keys();
      if (oldest !== undefined) this.#answers.delete(oldest);
    }
    this.#answers.set(host, { nodes, untilMs: performance.now() + this.#options.ttlMs });
  }
}

function beforeAbort<T>(work: Promise<T>, signal: AbortSignal, host: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void =>
      reject(
        new FairleadError('ERR_ABORTED', `the question who serves ${host} was given up`, {
          cause: signal.reason,
        }),
      );
    if (signal.aborted) onAbort();
    signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}
