// What every broker tells of its links and of what goes over them, by the same names whatever its engine is.

import type { Metrics } from '../metrics/registry.ts';
import type { Counters } from './counters.ts';

/** Where figures are told: Prometheus' library, or on a runtime that it does not know, a few lines of ours. */
export type FigureSink = Pick<Metrics, 'gauge' | 'level' | 'total' | 'totals'>;

export interface LinkFigures {
  readonly nodes: number;
  readonly links: { readonly agent: number; readonly dial: number };
  readonly sessions: number;
}

export function tellLinks(sink: FigureSink, read: () => LinkFigures): void {
  sink.gauge('fairlead_links', 'Links that are open, by kind of peer.', 'kind', () => ({ ...read().links }));
  sink.level('fairlead_nodes', 'Nodes with an agent here.', () => read().nodes);
  sink.level('fairlead_sessions', 'Sessions whose dialer has a link here.', () => read().sessions);
}

export function tellTraffic(sink: FigureSink, read: () => Counters): void {
  sink.total('fairlead_links_opened_total', 'Links opened.', () => read().linksOpened);
  sink.totals('fairlead_links_closed_total', 'Links closed, by close code.', 'code', () => read().closed);
  sink.totals(
    'fairlead_refusals_total',
    'Requests and links refused, by reason.',
    'reason',
    () => read().refused,
  );
  sink.totals('fairlead_received_messages_total', 'Messages received, by kind of peer.', 'from', () => ({
    agent: read().messagesFromAgents,
    dial: read().messagesFromDialers,
  }));
  sink.totals('fairlead_received_bytes_total', 'Bytes of messages received.', 'from', () => ({
    agent: read().bytesFromAgents,
    dial: read().bytesFromDialers,
  }));
  sink.totals(
    'fairlead_sent_messages_total',
    'Messages handed on, by kind of peer; what the broker itself says is not among them.',
    'to',
    () => ({ agent: read().messagesToAgents, dial: read().messagesToDialers }),
  );
  sink.totals('fairlead_sent_bytes_total', 'Bytes of messages handed on.', 'to', () => ({
    agent: read().bytesToAgents,
    dial: read().bytesToDialers,
  }));
  sink.totals(
    'fairlead_dropped_messages_total',
    'Messages not passed on, by reason.',
    'reason',
    () => read().dropped,
  );
}
