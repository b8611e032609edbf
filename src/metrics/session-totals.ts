// What sessions count, those that are over included. Read when somebody asks: nothing is done for a frame.

import type { Metrics } from './registry.ts';

/** What a session core counts; its numbers only grow. */
export interface SessionCounts {
  readonly counters: {
    readonly resyncs: number;
    readonly gaps: number;
    readonly duplicates: number;
    readonly resentBytes: number;
  };
}

/** From a link that is replaced to the end of the resume window, in seconds. */
const resumeBuckets = [0.01, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300];

export class SessionTotals {
  readonly #live = new Set<SessionCounts>();
  readonly #ended = { resyncs: 0, gaps: 0, duplicates: 0, resentBytes: 0 };
  readonly #resumeSeconds: (seconds: number) => void;

  constructor(metrics: Metrics) {
    metrics.total(
      'fairlead_resent_bytes_total',
      'Bytes sent again, because they may have been lost with a link.',
      () => this.#read().resentBytes,
    );
    metrics.total(
      'fairlead_resyncs_total',
      'Times that both ends of a session told each other what they had received.',
      () => this.#read().resyncs,
    );
    metrics.total(
      'fairlead_gaps_total',
      'Times that bytes came whose predecessors had not.',
      () => this.#read().gaps,
    );
    metrics.total(
      'fairlead_duplicates_total',
      'Frames that brought what was there already.',
      () => this.#read().duplicates,
    );
    this.#resumeSeconds = metrics.histogram(
      'fairlead_resume_seconds',
      'How long a session was without its peer, of those that came back.',
      resumeBuckets,
    );
  }

  began(session: SessionCounts): void {
    this.#live.add(session);
  }

  ended(session: SessionCounts): void {
    if (!this.#live.delete(session)) return;
    add(this.#ended, session);
  }

  resumed(seconds: number): void {
    this.#resumeSeconds(seconds);
  }

  #read() {
    const sums = { ...this.#ended };
    for (const session of this.#live) add(sums, session);
    return sums;
  }
}

function add(
  sums: { -readonly [Name in keyof SessionCounts['counters']]: number },
  { counters }: SessionCounts,
): void {
  sums.resyncs += counters.resyncs;
  sums.gaps += counters.gaps;
  sums.duplicates += counters.duplicates;
  sums.resentBytes += counters.resentBytes;
}
