// Which other replicas there are, by the sign of life that each gives every two seconds. Nothing depends on it for
// speed: what a message finds is known at once. It ends what a replica left behind that nobody writes to any more.

const everyMs = 2000;
const silenceMs = 7000;
/** More than anybody runs; a bound, since names come from the bus. */
const mostReplicas = 1024;

export class Presence {
  readonly #heardAtMs = new Map<string, number>();
  readonly #say: () => void;
  readonly #lost: (replica: string) => void;
  readonly #timer: NodeJS.Timeout;

  /** `say` is called for each sign of life that is due. */
  constructor(say: () => void, lost: (replica: string) => void) {
    this.#say = say;
    this.#lost = lost;
    this.#timer = setInterval(() => this.#tick(), everyMs).unref();
  }

  /** The others. */
  get replicas(): string[] {
    return [...this.#heardAtMs.keys()];
  }

  /** Answers whether this one was not known. */
  heard(replica: string): boolean {
    const isNew = !this.#heardAtMs.has(replica);
    if (isNew && this.#heardAtMs.size >= mostReplicas) return false;
    this.#heardAtMs.set(replica, performance.now());
    return isNew;
  }

  left(replica: string): void {
    if (this.#heardAtMs.delete(replica)) this.#lost(replica);
  }

  /** After this replica's own silence, nobody's counts. */
  restart(): void {
    const now = performance.now();
    for (const replica of this.#heardAtMs.keys()) this.#heardAtMs.set(replica, now);
    this.#say();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #tick(): void {
    this.#say();
    const since = performance.now() - silenceMs;
    for (const [replica, at] of this.#heardAtMs) if (at < since) this.left(replica);
  }
}
