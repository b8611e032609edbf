// What a gateway tells Prometheus. Codes that are not of the closed list count as `other`.

import type { ClientMeter, SessionFigures } from '../client/index.ts';
import { Metrics, type Row } from '../metrics/registry.ts';
import { SessionTotals } from '../metrics/session-totals.ts';
import { errorCodes } from '../protocol/errors.ts';
import type { DialTiming } from '../protocol/open.ts';
import type { DialingFront, FrontName, GatewayMeter, TurnedAway } from './meter.ts';
import type { Traffic } from './metered-dialer.ts';

const fronts: readonly DialingFront[] = ['http-connect', 'socks5', 'proxy'];
const known: ReadonlySet<string> = new Set(['connected', ...errorCodes]);

/** From a neighbour in the same rack to the limit of a dial, in seconds. */
const dialBuckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10];
const shares = ['total', 'broker', 'agent', 'target'] as const;

interface Direction {
  to: number;
  from: number;
}

/** Counts for {@link Metrics}: the gateway as its {@link GatewayMeter}, its broker client as its {@link ClientMeter}. */
export class GatewayMetrics implements GatewayMeter, ClientMeter {
  readonly metrics: Metrics;
  readonly #connections = { ...perFront(() => 0), status: 0 };
  readonly #connectionsTotal = { ...perFront(() => 0), status: 0 };
  readonly #turnedAway: Record<TurnedAway, number> = { full: 0, 'client-certificate': 0 };
  readonly #refused = perFront((): Record<string, number> => ({}));
  readonly #dials = perFront((): Record<string, number> => ({ connected: 0 }));
  readonly #dialSeconds: (share: (typeof shares)[number], seconds: number) => void;
  readonly #carrying = perFront(() => new Set<Traffic>());
  readonly #carried = perFront((): Direction => ({ to: 0, from: 0 }));
  readonly #resets: Record<string, number> = {};
  readonly #sessions = new Set<SessionFigures>();
  readonly #totals: SessionTotals;
  #links = 0;

  constructor(version: string) {
    const metrics = new Metrics(version);
    this.metrics = metrics;
    metrics.gauge(
      'fairlead_gateway_connections',
      'Connections of clients that are open, by what is spoken on them.',
      'front',
      () => this.#connections,
    );
    metrics.totals(
      'fairlead_gateway_connections_total',
      'Connections of clients served.',
      'front',
      () => this.#connectionsTotal,
    );
    metrics.totals(
      'fairlead_gateway_connections_refused_total',
      'Connections of clients that were turned away, by reason.',
      'reason',
      () => this.#turnedAway,
    );
    metrics.table(
      'fairlead_gateway_requests_refused_total',
      'Requests that were refused or whose dial failed, by the code that the client was told.',
      ['front', 'code'],
      () => rows(this.#refused),
    );
    metrics.table(
      'fairlead_gateway_dials_total',
      'Dials to targets, by outcome: "connected", or the code that they failed with.',
      ['front', 'outcome'],
      () => rows(this.#dials),
    );
    this.#dialSeconds = metrics.histograms(
      'fairlead_gateway_dial_seconds',
      'How long dials took that connected: "total", and of it what the agent and the target took, as the agent says; "broker" is the rest: the broker, the network, looking up who serves a host.',
      'share',
      shares,
      dialBuckets,
    );
    metrics.gauge(
      'fairlead_gateway_targets',
      'Connections to targets that stand, those kept for later requests included.',
      'front',
      () => Object.fromEntries(fronts.map((front) => [front, this.#carrying[front].size])),
    );
    metrics.table(
      'fairlead_gateway_target_bytes_total',
      'Bytes to and from targets.',
      ['front', 'direction'],
      () => this.#bytes(),
    );
    metrics.totals(
      'fairlead_stream_resets_total',
      'Streams that did not end in order, by code.',
      'code',
      () => this.#resets,
    );
    metrics.level('fairlead_links', 'Links to the broker that are up: one for each node in use.', () =>
      Math.max(0, this.#links),
    );
    metrics.level('fairlead_sessions', 'Sessions with agents, linked or not.', () => this.#sessions.size);
    metrics.level('fairlead_streams', 'Streams that are open.', () => this.#sum('streamCount'));
    metrics.level('fairlead_buffered_bytes', 'Bytes received that clients have not taken yet.', () =>
      this.#sum('bufferedBytes'),
    );
    metrics.level('fairlead_in_flight_bytes', 'Bytes sent that agents have not acknowledged yet.', () =>
      this.#sum('inFlightBytes'),
    );
    this.#totals = new SessionTotals(metrics);
  }

  connected(front: FrontName): () => void {
    this.#connections[front]++;
    this.#connectionsTotal[front]++;
    return () => {
      this.#connections[front]--;
    };
  }

  /** A client came to an address that is full. */
  turnedAway(why: TurnedAway): void {
    this.#turnedAway[why]++;
  }

  refused(front: DialingFront, code: string): void {
    increment(this.#refused[front], code);
  }

  dialled(front: DialingFront, outcome: string, seconds: number, timing: DialTiming | undefined): void {
    increment(this.#dials[front], outcome);
    if (outcome !== 'connected') return;
    this.#dialSeconds('total', seconds);
    if (timing === undefined) return;
    const [agent, target] = [timing.agentUs / 1e6, timing.targetUs / 1e6];
    this.#dialSeconds('agent', agent);
    this.#dialSeconds('target', target);
    // The agent's word is only a word.
    this.#dialSeconds('broker', Math.max(0, seconds - agent - target));
  }

  carrying(front: DialingFront, traffic: Traffic): (brokenBy: string | undefined) => void {
    this.#carrying[front].add(traffic);
    return (brokenBy) => {
      if (!this.#carrying[front].delete(traffic)) return;
      this.#carried[front].to += traffic.bytesWritten;
      this.#carried[front].from += traffic.bytesRead;
      if (brokenBy !== undefined) increment(this.#resets, brokenBy);
    };
  }

  /** Read for as long as it lives. */
  sessionBegan(session: SessionFigures): void {
    this.#sessions.add(session);
    this.#totals.began(session);
  }

  /** What it counted is kept. */
  sessionEnded(session: SessionFigures): void {
    this.#sessions.delete(session);
    this.#totals.ended(session);
  }

  sessionResumed(seconds: number): void {
    this.#totals.resumed(seconds);
  }

  linkChanged(change: 1 | -1): void {
    this.#links += change;
  }

  #sum(name: 'streamCount' | 'bufferedBytes' | 'inFlightBytes'): number {
    let sum = 0;
    for (const session of this.#sessions) sum += session[name];
    return sum;
  }

  *#bytes(): Iterable<Row> {
    for (const front of fronts) {
      const sums = { ...this.#carried[front] };
      for (const { bytesRead, bytesWritten } of this.#carrying[front]) {
        sums.to += bytesWritten;
        sums.from += bytesRead;
      }
      yield [[front, 'to'], sums.to];
      yield [[front, 'from'], sums.from];
    }
  }
}

function perFront<Value>(make: () => Value): Record<DialingFront, Value> {
  return { 'http-connect': make(), socks5: make(), proxy: make() };
}

function* rows(counts: Readonly<Record<DialingFront, Readonly<Record<string, number>>>>): Iterable<Row> {
  for (const front of fronts)
    for (const [value, count] of Object.entries(counts[front])) yield [[front, value], count];
}

function increment(counts: Record<string, number>, value: string): void {
  const key = known.has(value) ? value : 'other';
  counts[key] = (counts[key] ?? 0) + 1;
}
