// What an agent tells Prometheus.

import { Metrics } from '../metrics/registry.ts';
import { type SessionCounts, SessionTotals } from '../metrics/session-totals.ts';
import type { ErrorCode, WireCode } from '../protocol/errors.ts';
import type { Meter, Traffic } from './meter.ts';

/** What is read when somebody asks. */
export interface AgentFigures {
  readonly sessionCount: number;
  readonly streamCount: number;
  readonly isConnected: boolean;
  /** Held for streams, over all sessions. */
  readonly bufferedBytes: number;
  /** Sent and not acknowledged, over all sessions. */
  readonly inFlightBytes: number;
}

/** From a neighbour in the same rack to the limit of a dial, in seconds. */
const dialBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];

/** Counts for {@link Metrics}; {@link watch} says of which agent. */
export class AgentMetrics implements Meter {
  readonly metrics: Metrics;
  readonly #sessionsRefused: Record<string, number> = {};
  readonly #sessionsEnded: Record<string, number> = {};
  readonly #dials: Record<string, number> = { connected: 0 };
  readonly #resets: Record<string, number> = {};
  readonly #live = new Set<Traffic>();
  readonly #ended = { bytesRead: 0, bytesWritten: 0 };
  readonly #dialSeconds: (seconds: number) => void;
  readonly #totals: SessionTotals;
  #sessions = 0;
  #resumes = 0;
  #agent: AgentFigures | undefined;

  constructor(version: string) {
    const metrics = new Metrics(version);
    this.metrics = metrics;
    this.#totals = new SessionTotals(metrics);
    metrics.level('fairlead_connected', '1 while there is a link to the broker.', () =>
      this.#agent?.isConnected ? 1 : 0,
    );
    metrics.level('fairlead_sessions', 'Sessions, attached or not.', () => this.#agent?.sessionCount ?? 0);
    metrics.level('fairlead_streams', 'Streams that are open.', () => this.#agent?.streamCount ?? 0);
    metrics.level(
      'fairlead_buffered_bytes',
      'Bytes held for streams, over all sessions.',
      () => this.#agent?.bufferedBytes ?? 0,
    );
    metrics.level(
      'fairlead_in_flight_bytes',
      'Bytes sent that dialers have not acknowledged yet.',
      () => this.#agent?.inFlightBytes ?? 0,
    );
    metrics.total('fairlead_sessions_begun_total', 'Sessions begun.', () => this.#sessions);
    metrics.total(
      'fairlead_sessions_resumed_total',
      'Times that a dialer came back to its session.',
      () => this.#resumes,
    );
    metrics.totals(
      'fairlead_sessions_refused_total',
      'Sessions refused, by code.',
      'code',
      () => this.#sessionsRefused,
    );
    metrics.totals(
      'fairlead_sessions_ended_total',
      'Sessions ended, by code.',
      'code',
      () => this.#sessionsEnded,
    );
    metrics.totals(
      'fairlead_dials_total',
      'Dials to targets, by outcome: "connected", or the code that the dialer got.',
      'outcome',
      () => this.#dials,
    );
    this.#dialSeconds = metrics.histogram(
      'fairlead_dial_seconds',
      'How long a dial took, resolution included, whatever came of it.',
      dialBuckets,
    );
    metrics.totals(
      'fairlead_stream_resets_total',
      'Streams that did not end in order, by code.',
      'code',
      () => this.#resets,
    );
    metrics.totals('fairlead_target_bytes_total', 'Bytes to and from targets.', 'direction', () => {
      const sums = { to: this.#ended.bytesWritten, from: this.#ended.bytesRead };
      for (const { bytesRead, bytesWritten } of this.#live) {
        sums.to += bytesWritten;
        sums.from += bytesRead;
      }
      return sums;
    });
  }

  watch(agent: AgentFigures): void {
    this.#agent = agent;
  }

  sessionBegan(session: SessionCounts): void {
    this.#totals.began(session);
    this.#sessions++;
  }

  sessionRefused(code: ErrorCode): void {
    increment(this.#sessionsRefused, code);
  }

  sessionEnded(code: ErrorCode, session: SessionCounts): void {
    this.#totals.ended(session);
    increment(this.#sessionsEnded, code);
  }

  sessionResumed(seconds: number): void {
    this.#totals.resumed(seconds);
    this.#resumes++;
  }

  dialled(outcome: 'connected' | WireCode, seconds: number): void {
    increment(this.#dials, outcome);
    this.#dialSeconds(seconds);
  }

  streaming(traffic: Traffic): () => void {
    this.#live.add(traffic);
    return () => {
      if (!this.#live.delete(traffic)) return;
      this.#ended.bytesRead += traffic.bytesRead;
      this.#ended.bytesWritten += traffic.bytesWritten;
    };
  }

  streamReset(code: WireCode): void {
    increment(this.#resets, code);
  }
}

function increment(counts: Record<string, number>, key: string): void {
  counts[key] = (counts[key] ?? 0) + 1;
}
