// What waits in this process for slow readers, over all links, and the memory that the process has. Under pressure
// no new link is taken; where that is not enough, the slowest readers go, one by one, until it is.

import type { BrokerLimits } from './limits.ts';

/** From this share of a limit on, new links are refused; the slowest readers go until it is reached. */
const calmShare = 0.75;
const lookEveryMs = 200;
/** Where no message waits there may still be what the WebSocket library answers by itself: counted at every so many looks. */
const looksInCalm = 5;
/** Readers with less than this waiting are not what fills the memory, in bytes. */
const slowBytes = 65_536;

export interface Reader {
  bufferedBytes(): number;
  /** As {@link bufferedBytes}; what the ledger is told from here on is the difference to it. */
  count(): number;
}

/** Where links tell what waits on them. */
export interface Ledger {
  /** `bytes` more wait than before, or fewer. */
  changed(bytes: number): void;
}

export class Pressure<Link extends Reader> implements Ledger {
  readonly #limits: Pick<BrokerLimits, 'maxBufferedBytes' | 'maxMemoryBytes'>;
  readonly #links: ReadonlySet<Link>;
  readonly #cut: (link: Link) => void;
  readonly #residentBytes: () => number | undefined;
  readonly #timer: NodeJS.Timeout;
  /** Never below the truth for long: growth is told at once, the rest is found by looking. */
  #buffered = 0;
  #memory = 0;
  #isRelieving = false;
  #looksToCount = looksInCalm;

  /** `cut` must let go of what waits on the link at once. */
  constructor(
    limits: Pick<BrokerLimits, 'maxBufferedBytes' | 'maxMemoryBytes'>,
    links: ReadonlySet<Link>,
    cut: (link: Link) => void,
    residentBytes: () => number | undefined = memoryOfProcess,
  ) {
    this.#limits = limits;
    this.#links = links;
    this.#cut = cut;
    this.#residentBytes = residentBytes;
    this.#timer = setInterval(() => this.look(), lookEveryMs);
    this.#timer.unref();
  }

  get bufferedBytes(): number {
    return this.#buffered;
  }

  /** True while no new link should be taken. */
  get isHigh(): boolean {
    const { maxBufferedBytes, maxMemoryBytes } = this.#limits;
    return this.#buffered >= calmShare * maxBufferedBytes || this.#memory >= maxMemoryBytes;
  }

  changed(bytes: number): void {
    this.#buffered += bytes;
    if (this.#buffered <= this.#limits.maxBufferedBytes || this.#isRelieving) return;
    // Not now: whoever told us is in the middle of forwarding.
    this.#isRelieving = true;
    queueMicrotask(() => {
      this.#isRelieving = false;
      this.#relieve();
    });
  }

  /** Counts what waits, and sees to it that it is not too much. */
  look(): void {
    this.#memory = this.#residentBytes() ?? this.#memory;
    const isShort = this.#memory > this.#limits.maxMemoryBytes;
    this.#looksToCount -= 1;
    if (this.#buffered > 0 || isShort || this.#looksToCount <= 0) this.#count();
    if (this.#buffered > this.#limits.maxBufferedBytes) this.#relieve();
    // The process gives memory back late: one at a time, so that those who read are not all cut for it.
    else if (isShort) this.#cutSlowest(1);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #count(): void {
    this.#looksToCount = looksInCalm;
    let bytes = 0;
    for (const link of this.#links) bytes += link.count();
    this.#buffered = bytes;
  }

  #relieve(): void {
    this.#count();
    if (this.#buffered > this.#limits.maxBufferedBytes) this.#cutSlowest(this.#links.size);
  }

  #cutSlowest(most: number): void {
    const slow = [...this.#links]
      .map((link) => ({ link, bytes: link.bufferedBytes() }))
      .filter(({ bytes }) => bytes >= slowBytes)
      .sort((a, b) => b.bytes - a.bytes);
    const enough = calmShare * this.#limits.maxBufferedBytes;
    for (const { link, bytes } of slow.slice(0, most)) {
      this.#cut(link);
      this.#buffered -= bytes;
      if (this.#buffered <= enough && most > 1) return;
    }
  }
}

/** Undefined where it cannot be known: libuv opens a file in /proc, and there may be no descriptor left for it. */
function memoryOfProcess(): number | undefined {
  try {
    return process.memoryUsage.rss();
  } catch {
    return undefined;
  }
}
