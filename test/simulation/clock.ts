// Virtual time and seeded randomness: with the same seed a run is the same to the last byte.

interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

/** Runs what was scheduled in order of time, then of scheduling. */
export class Clock {
  now = 0;
  private heap: Event[] = [];
  private order = 0;

  after(delayMs: number, run: () => void): void {
    this.at(this.now + delayMs, run);
  }

  at(atMs: number, run: () => void): void {
    const event = { at: Math.max(atMs, this.now), order: this.order, run };
    this.order += 1;
    let child = this.heap.push(event) - 1;
    while (child > 0) {
      const parent = (child - 1) >> 1;
      if (!before(event, this.heap[parent] as Event)) break;
      this.heap[child] = this.heap[parent] as Event;
      child = parent;
    }
    this.heap[child] = event;
  }

  /** Runs the next event; false where there is none before `untilMs`. */
  step(untilMs: number): boolean {
    const first = this.heap[0];
    if (first === undefined || first.at > untilMs) return false;
    const last = this.heap.pop() as Event;
    if (this.heap.length > 0) {
      let parent = 0;
      for (;;) {
        let child = parent * 2 + 1;
        if (child >= this.heap.length) break;
        if (
          child + 1 < this.heap.length &&
          before(this.heap[child + 1] as Event, this.heap[child] as Event)
        ) {
          child += 1;
        }
        if (!before(this.heap[child] as Event, last)) break;
        this.heap[parent] = this.heap[child] as Event;
        parent = child;
      }
      this.heap[parent] = last;
    }
    this.now = first.at;
    first.run();
    return true;
  }
}

function before(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}

/** xorshift128+ is enough here: the runs must repeat, not be unpredictable. */
export class Random {
  private a: number;
  private b: number;

  constructor(seed: number) {
    this.a = (seed ^ 0x9e3779b9) >>> 0 || 1;
    this.b = (Math.imul(seed + 1, 0x85ebca6b) >>> 0) ^ 0xc2b2ae35;
    for (let i = 0; i < 8; i += 1) this.next();
  }

  /** 0 ≤ n < 1 */
  next(): number {
    let t = this.a;
    const s = this.b;
    this.a = s;
    t ^= t << 23;
    t ^= t >>> 17;
    t ^= s ^ (s >>> 26);
    this.b = t;
    return ((t + s) >>> 0) / 0x1_0000_0000;
  }

  /** A whole number, both ends included. */
  int(from: number, to: number): number {
    return from + Math.floor(this.next() * (to - from + 1));
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }
}
