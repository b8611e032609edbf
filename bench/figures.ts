// What was measured: figures of one workload by subject, and how they stand to the baseline.

export interface Row {
  readonly workload: string;
  readonly unit: string;
  /** Of speeds more is better, of costs less. */
  readonly better: 'more' | 'less';
  /** By subject, one figure a round. */
  readonly figures: Readonly<Record<string, readonly number[]>>;
}

/** CPU seconds by subject and process, per unit of work. */
export interface Cost {
  readonly work: string;
  readonly seconds: Readonly<Record<string, Readonly<Record<string, number>>>>;
}

export function median(figures: readonly number[]): number {
  return [...figures].sort((a, b) => a - b)[figures.length >> 1] ?? 0;
}

/** How a subject's median stands to the baseline's; undefined where one of them was not measured. */
export function ratio({ figures }: Row, subject: string, baseline: string): number | undefined {
  const [of, to] = [figures[subject], figures[baseline]];
  return of === undefined || to === undefined ? undefined : median(of) / median(to);
}

export function sum(seconds: Readonly<Record<string, number>>): number {
  return Object.values(seconds).reduce((all, each) => all + each, 0);
}
