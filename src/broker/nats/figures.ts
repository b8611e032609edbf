// What a replica tells of its way to the others.

import type { Metrics } from '../../metrics/registry.ts';

export interface NatsFigures {
  readonly isUp: boolean;
  /** Times that the connection came to stand. */
  readonly connections: number;
  /** Messages that NATS did not take. */
  readonly dropped: number;
  readonly unflushedBytes: number;
  /** The others that are known. */
  readonly replicas: number;
  /** Dial links here whose agent is elsewhere, and those elsewhere whose agent is here. */
  readonly carried: number;
  readonly standIns: number;
}

export function tellNats(metrics: Metrics, read: () => NatsFigures): void {
  metrics.level('fairlead_nats_connected', '1 while there is a connection to NATS.', () =>
    read().isUp ? 1 : 0,
  );
  metrics.total(
    'fairlead_nats_connections_total',
    'Times that a connection to NATS came to stand.',
    () => read().connections,
  );
  metrics.total(
    'fairlead_nats_dropped_messages_total',
    'Messages to other replicas that NATS did not take.',
    () => read().dropped,
  );
  metrics.level(
    'fairlead_nats_unflushed_bytes',
    'Bytes published that the NATS server is not known to have read.',
    () => read().unflushedBytes,
  );
  metrics.level('fairlead_nats_replicas', 'Other replicas that are known.', () => read().replicas);
  metrics.gauge(
    'fairlead_nats_carried_links',
    'Dial links whose agent is at another replica: "out" ones end here, "in" ones there.',
    'direction',
    () => ({ out: read().carried, in: read().standIns }),
  );
}
