// What a broker on Node tells Prometheus.

import { tellExpiry } from '../metrics/expiry.ts';
import { Metrics } from '../metrics/registry.ts';
import type { Intake } from './intake.ts';
import type { BrokerLink } from './link.ts';
import { type NatsFigures, tellNats } from './nats/figures.ts';
import type { Relay } from './relay.ts';
import { tellLinks, tellTraffic } from './relay-figures.ts';

export interface BrokerFigures {
  readonly version: string;
  readonly relay: Relay;
  readonly intake: Intake;
  readonly pressure: { readonly bufferedBytes: number; readonly isHigh: boolean };
  readonly isDraining: () => boolean;
  /** Where there are other replicas. */
  readonly nats?: (() => NatsFigures) | undefined;
  /** When the server's certificate ends, in milliseconds since the epoch; absent: it has none. */
  readonly certificateEndsAt?: (() => number) | undefined;
}

export function brokerMetrics(figures: BrokerFigures): Metrics {
  const { version, relay, intake, pressure, isDraining, nats, certificateEndsAt } = figures;
  const metrics = new Metrics(version);
  const { counters, switchboard, backPressure } = relay;
  tellLinks(metrics, () => {
    const nodes = new Set<string>();
    for (const { tag } of switchboard.agents()) nodes.add(tag.node);
    const sessions = switchboard.sessionCount;
    return { nodes: nodes.size, links: { agent: count(switchboard.agents()), dial: sessions }, sessions };
  });
  tellTraffic(metrics, () => counters);
  metrics.total(
    'fairlead_pauses_total',
    "Times that a dialer was paused because its agent's link was full.",
    () => counters.pauses,
  );
  metrics.totals(
    'fairlead_back_pressure_seconds_total',
    'Time for which links were full ("agent") or not read from because one was ("dial"), over all of them.',
    'kind',
    () => ({ agent: backPressure.full.seconds, dial: backPressure.paused.seconds }),
  );
  metrics.gauge('fairlead_back_pressure_links', 'Links that are so now.', 'kind', () => ({
    agent: backPressure.full.running,
    dial: backPressure.paused.running,
  }));
  metrics.gauge(
    'fairlead_queued_bytes',
    'Bytes that wait for peers to read, by kind of peer.',
    'kind',
    () => ({
      agent: queues(switchboard.links(), 'agent').sum,
      dial: queues(switchboard.links(), 'dial').sum,
    }),
  );
  metrics.gauge('fairlead_longest_queue_bytes', 'Of these, on the link with the most.', 'kind', () => ({
    agent: queues(switchboard.links(), 'agent').most,
    dial: queues(switchboard.links(), 'dial').most,
  }));
  metrics.level(
    'fairlead_buffered_bytes',
    'Bytes that wait for peers to read, over all links.',
    () => pressure.bufferedBytes,
  );
  metrics.level('fairlead_overloaded', '1 while new links are refused for want of memory.', () =>
    pressure.isHigh ? 1 : 0,
  );
  metrics.level('fairlead_draining', '1 while the broker is shutting down.', () => (isDraining() ? 1 : 0));
  metrics.level('fairlead_connections', 'TCP connections that are open.', () => intake.connections);
  metrics.level(
    'fairlead_unfinished_connections',
    'Of these, connections on which no request has come yet.',
    () => intake.unfinished,
  );
  metrics.total('fairlead_connections_accepted_total', 'TCP connections served.', () => intake.accepted);
  metrics.totals(
    'fairlead_connections_refused_total',
    'TCP connections reset for a limit, by the limit.',
    'limit',
    () => intake.refused,
  );
  if (nats !== undefined) tellNats(metrics, nats);
  if (certificateEndsAt !== undefined) tellExpiry(metrics, certificateEndsAt);
  return metrics;
}

/** What waits on the links of one kind. */
function queues(links: Iterable<BrokerLink>, kind: BrokerLink['tag']['kind']): { sum: number; most: number } {
  const waiting = { sum: 0, most: 0 };
  for (const link of links) {
    if (link.tag.kind !== kind) continue;
    const bytes = link.bufferedBytes();
    waiting.sum += bytes;
    waiting.most = Math.max(waiting.most, bytes);
  }
  return waiting;
}

function count(things: Iterable<unknown>): number {
  let sum = 0;
  for (const _ of things) sum++;
  return sum;
}
