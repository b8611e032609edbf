// What a series of pings comes to: how many were lost, and least, mean, most and jitter of each share of the way.

import type { RoundTrip } from '../client/index.ts';
import { formatTable } from './table.ts';

/** In ms. */
interface Spread {
  readonly min: number;
  readonly avg: number;
  readonly max: number;
  /** Mean difference between one answer and the next (RFC 3550 §6.4.1, without its smoothing). */
  readonly jitter: number;
}

export interface PingSummary {
  readonly sent: number;
  readonly answered: number;
  /** 0 to 1. */
  readonly loss: number;
  readonly elapsedMs: number;
  /** None where nothing was answered. */
  readonly total?: Spread;
  readonly broker?: Spread;
  readonly agent?: Spread;
}

/** Bounded, however long the series: sums, and the last value. */
class Series {
  private count = 0;
  private sum = 0;
  private least = Number.POSITIVE_INFINITY;
  private most = 0;
  private last = 0;
  private steps = 0;

  add(value: number): void {
    if (this.count > 0) this.steps += Math.abs(value - this.last);
    this.count += 1;
    this.sum += value;
    this.least = Math.min(this.least, value);
    this.most = Math.max(this.most, value);
    this.last = value;
  }

  spread(): Spread {
    return {
      min: rounded(this.least),
      avg: rounded(this.sum / this.count),
      max: rounded(this.most),
      jitter: rounded(this.steps / Math.max(1, this.count - 1)),
    };
  }
}

export class PingStatistics {
  sent = 0;
  answered = 0;
  private readonly total = new Series();
  private readonly broker = new Series();
  private readonly agent = new Series();

  add({ totalMs, brokerMs, agentMs }: RoundTrip): void {
    this.answered += 1;
    this.total.add(totalMs);
    this.broker.add(brokerMs);
    this.agent.add(agentMs);
  }

  summary(elapsedMs: number): PingSummary {
    const { sent, answered } = this;
    const loss = sent === 0 ? 0 : rounded((sent - answered) / sent);
    const counts = { sent, answered, loss, elapsedMs: Math.round(elapsedMs) };
    if (answered === 0) return counts;
    return {
      ...counts,
      total: this.total.spread(),
      broker: this.broker.spread(),
      agent: this.agent.spread(),
    };
  }
}

export function formatSummary(node: string, summary: PingSummary): string {
  const { sent, answered, loss, elapsedMs, total, broker, agent } = summary;
  const lost = `${Math.round(loss * 1000) / 10}% lost`;
  const head = `\n--- ${node} ---\n${sent} sent, ${answered} answered, ${lost}, in ${(elapsedMs / 1000).toFixed(1)} s\n`;
  if (total === undefined || broker === undefined || agent === undefined) return head;
  const row = (name: string, { min, avg, max, jitter }: Spread): string[] => [
    name,
    ...[min, avg, max, jitter].map(formatMs),
  ];
  return `${head}${formatTable(
    ['round trip (ms)', 'min', 'avg', 'max', 'jitter'],
    [row('dialer–broker', broker), row('broker–agent', agent), row('end to end', total)],
  )}`;
}

/** Without its unit: three digits that say something. */
export function formatMs(ms: number): string {
  return ms.toFixed(ms < 10 ? 2 : ms < 100 ? 1 : 0);
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000;
}
