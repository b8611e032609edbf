// Figures as Prometheus reads them. Values are read when somebody asks; labels are from closed lists, so that
// nothing a peer does makes a new series.

import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import { tellBuild } from './build-info.ts';

/** Counts by the one label that tells them apart. */
export type Counts = Readonly<Record<string, number>>;

/** The values of several labels, and the count. */
export type Row = readonly [values: readonly string[], count: number];

/** Gauges of prom-client's that are named as counters are; the same without `_total` tells them by type. */
const misnamed = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
];

export class Metrics {
  readonly #registry = new Registry();

  /** Figures of the process and its event loop come with every one. */
  constructor(version: string) {
    collectDefaultMetrics({ register: this.#registry });
    for (const name of misnamed) this.#registry.removeSingleMetric(name);
    tellBuild(this, version);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  render(): Promise<string> {
    return this.#registry.metrics();
  }

  /** What only grows, as a total that somebody else keeps. `name` ends in `_total`. */
  total(name: string, help: string, read: () => number): void {
    new Counter({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.reset();
        this.inc(read());
      },
    });
  }

  totals(name: string, help: string, label: string, read: () => Counts): void {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers: [this.#registry],
      collect() {
        this.reset();
        labelled(label, read(), (labels, count) => this.inc(labels, count));
      },
    });
  }

  gauge(name: string, help: string, label: string, read: () => Counts): void {
    new Gauge({
      name,
      help,
      labelNames: [label],
      registers: [this.#registry],
      collect() {
        this.reset();
        labelled(label, read(), (labels, count) => this.set(labels, count));
      },
    });
  }

  /** Like {@link totals}, told apart by several labels, in the order of `labels`. */
  table(name: string, help: string, labels: readonly string[], read: () => Iterable<Row>): void {
    new Counter({
      name,
      help,
      labelNames: [...labels],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const [values, count] of read())
          this.inc(Object.fromEntries(labels.map((label, i) => [label, values[i] ?? ''])), count);
      },
    });
  }

  level(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      collect() {
        this.set(read());
      },
    });
  }

  /** As {@link level}, asked for at each look; undefined: it is not told. */
  lookup(name: string, help: string, read: () => Promise<number | undefined>): void {
    new Gauge({
      name,
      help,
      registers: [this.#registry],
      async collect() {
        const value = await read();
        if (value === undefined) this.remove();
        else this.set(value);
      },
    });
  }

  /** `name` ends in its unit. Answers what to call with each value. */
  histogram(name: string, help: string, buckets: readonly number[]): (value: number) => void {
    const histogram = new Histogram({ name, help, buckets: [...buckets], registers: [this.#registry] });
    return (value) => histogram.observe(value);
  }

  /** As {@link histogram}, by the one label that tells them apart; each of `values` is there from the beginning. */
  histograms<Value extends string>(
    name: string,
    help: string,
    label: string,
    values: readonly Value[],
    buckets: readonly number[],
  ): (which: Value, value: number) => void {
    const histogram = new Histogram({
      name,
      help,
      labelNames: [label],
      buckets: [...buckets],
      registers: [this.#registry],
    });
    for (const value of values) histogram.zero({ [label]: value });
    return (which, value) => histogram.observe({ [label]: which }, value);
  }
}

function labelled(
  label: string,
  counts: Counts,
  put: (labels: Record<string, string>, count: number) => void,
): void {
  for (const [value, count] of Object.entries(counts)) put({ [label]: value }, count);
}
