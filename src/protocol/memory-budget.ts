// What the sessions of one process hold for their streams, together: received and not taken by a reader, written and
// not acknowledged. Half of it is for whoever comes first; the other half is kept for sessions with less than their
// share, so that a few greedy ones starve no other. Pure arithmetic.

export class MemoryBudget {
  /** Held at present, over all sessions, in bytes. */
  heldBytes = 0;
  /** Sessions that share it. */
  sessions = 0;
  private readonly maxBytes: number;

  constructor(maxBytes: number) {
    this.maxBytes = maxBytes;
  }

  /** Whether a session that holds `ownBytes` may hold `more`. */
  allows(ownBytes: number, more: number): boolean {
    const half = this.maxBytes / 2;
    return this.heldBytes + more <= half || ownBytes + more <= half / this.sessions;
  }
}
