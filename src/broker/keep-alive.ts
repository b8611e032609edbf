// Notices links whose path is dead, by looking now and then at what each has read: no work per message, and a
// process that was suspended does not take its own sleep for its peers' silence. Links that came at different times
// are looked at at different times, so that a hundred thousand are not all pinged in one turn of the event loop.

export interface Watched {
  readonly bytesRead: number;
  readonly isPaused: boolean;
  ping(): void;
}

export interface KeepAliveOptions {
  /** Silence after which a peer is pinged, in milliseconds. Default 5000. */
  readonly idleMs: number;
  /** Silence after which it is given up, in milliseconds; noticed at most half of `idleMs` later. Default 15 000. */
  readonly silenceMs: number;
}

export const defaultKeepAlive: KeepAliveOptions = { idleMs: 5000, silenceMs: 15_000 };

interface Silence {
  bytesRead: number;
  /** Looks until it is pinged, busy or not: how long the way takes is known of every link. */
  untilPing: number;
  /** Looks in a row at which nothing new had been read. */
  looks: number;
}

/** Between two looks at different links, in milliseconds. */
const leastStepMs = 100;

export class KeepAlive<Link extends Watched> {
  /** By when they are looked at. */
  readonly #slots: readonly Map<Link, Silence>[];
  /** Looked at last: what comes now is looked at in a whole round. */
  #slot = 0;
  readonly #pingEvery = 2;
  /** Of a link that is busy. */
  readonly #measureEvery = 6;
  readonly #giveUpAt: number;
  readonly #lost: (link: Link) => void;
  readonly #timer: NodeJS.Timeout;

  constructor(options: KeepAliveOptions, lost: (link: Link) => void) {
    const lookEveryMs = options.idleMs / this.#pingEvery;
    this.#giveUpAt = Math.ceil(options.silenceMs / lookEveryMs);
    this.#lost = lost;
    const slots = Math.max(1, Math.floor(lookEveryMs / leastStepMs));
    this.#slots = Array.from({ length: slots }, () => new Map());
    this.#timer = setInterval(() => this.#step(), lookEveryMs / slots);
    this.#timer.unref();
  }

  add(link: Link): void {
    this.#slots[this.#slot]?.set(link, { bytesRead: link.bytesRead, untilPing: this.#pingEvery, looks: 0 });
  }

  remove(link: Link): void {
    for (const silences of this.#slots) silences.delete(link);
  }

  stop(): void {
    clearInterval(this.#timer);
    for (const silences of this.#slots) silences.clear();
  }

  #step(): void {
    this.#slot = (this.#slot + 1) % this.#slots.length;
    const silences = this.#slots[this.#slot];
    if (silences !== undefined) this.#look(silences);
  }

  #look(silences: Map<Link, Silence>): void {
    for (const [link, silence] of silences) {
      const { bytesRead } = link;
      if (bytesRead !== silence.bytesRead) {
        silence.bytesRead = bytesRead;
        silence.looks = 0;
        if (--silence.untilPing <= 0) this.#ping(link, silence);
        continue;
      }
      silence.looks++;
      // A link that is paused is silent because of us. Its pings still find out a peer that has gone.
      if (silence.looks >= this.#giveUpAt && !link.isPaused) {
        silences.delete(link);
        this.#lost(link);
      } else if (silence.looks % this.#pingEvery === 0 || --silence.untilPing <= 0) this.#ping(link, silence);
    }
  }

  #ping(link: Link, silence: Silence): void {
    silence.untilPing = this.#measureEvery;
    link.ping();
  }
}
