// What a path does to its packets, each way alike.

export interface PathConditions {
  /** One way, in ms. */
  readonly delayMs: number;
  /** Bits per second; undefined: as many as come. */
  readonly rate?: number | undefined;
  /** What may wait for its turn at that rate, in ms of it; more is dropped. Default 100. */
  readonly queueMs?: number | undefined;
  /** Probability, 0 to 1, that a packet is lost. Default 0. */
  readonly loss?: number | undefined;
  /** Probability that a packet is held back, so that later ones overtake it. Default 0. */
  readonly reorder?: number | undefined;
  /** How long such a packet is held back, in ms. Default 5. */
  readonly reorderMs?: number | undefined;
  /** Nothing passes, and nobody is told. Default false. */
  readonly isDark?: boolean | undefined;
}

/** Packets so far, both ways. */
export interface PathCounts {
  readonly passed: number;
  readonly lost: number;
  readonly overflowed: number;
  readonly reordered: number;
  readonly swallowed: number;
}
