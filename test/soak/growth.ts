// What each long-living process has of each thing over time, and whether it is more and more.

import { floors, leastSquares, type Point } from './linear-fit.ts';

/** What may be more after an hour, by what is measured: less is not told from how the hour began. */
const boundsPerHour = {
  'resident, MiB': 24,
  'heap, MiB': 3,
  'buffers, MiB': 3,
  handles: 6,
  timers: 6,
  descriptors: 6,
} as const;

export type Figures = Readonly<Record<keyof typeof boundsPerHour, number>>;

/** What is filled once and kept is not growth: this share of the run does not count, nor do these hours. */
const warmUpShare = 0.25;
const warmUpHours = 8 / 60;
/** A slope is told from noise only over so many standard errors. */
const certainty = 3;
const stretchCount = 16;
/** A stretch is longer than what a killed peer leaves at its others, which have it until the resume window is over. */
const leastStretchHours = 2 / 60;

export interface Trend {
  readonly process: string;
  readonly figure: string;
  readonly atEnd: number;
  readonly slopePerHour: number;
  readonly standardError: number;
  readonly boundPerHour: number;
  readonly verdict: 'flat' | 'LEAKS' | 'too short';
  readonly points: readonly Point[];
}

export class Growth {
  private readonly series = new Map<string, Map<keyof Figures, Point[]>>();

  note(process: string, hours: number, figures: Figures): void {
    let ofProcess = this.series.get(process);
    if (ofProcess === undefined) {
      ofProcess = new Map();
      this.series.set(process, ofProcess);
    }
    for (const figure of Object.keys(boundsPerHour) as (keyof Figures)[]) {
      const points = ofProcess.get(figure) ?? [];
      points.push([hours, figures[figure]]);
      ofProcess.set(figure, points);
    }
  }

  trends(): Trend[] {
    return [...this.series].flatMap(([process, figures]) =>
      [...figures].map(([figure, points]) => trend(process, figure, points)),
    );
  }
}

function trend(process: string, figure: keyof Figures, points: readonly Point[]): Trend {
  const warmUntil = Math.max(warmUpHours, (points.at(-1)?.[0] ?? 0) * warmUpShare);
  const late = floors(
    points.filter(([hours]) => hours > warmUntil),
    stretchCount,
  );
  const { slope, standardError } = leastSquares(late);
  const boundPerHour = boundsPerHour[figure];
  const lateHours = (points.at(-1)?.[0] ?? 0) - warmUntil;
  const isTooShort = late.length < stretchCount || lateHours < stretchCount * leastStretchHours;
  const leaks = slope > boundPerHour && slope > certainty * standardError;
  return {
    process,
    figure,
    atEnd: points.at(-1)?.[1] ?? 0,
    slopePerHour: slope,
    standardError,
    boundPerHour,
    verdict: isTooShort ? 'too short' : leaks ? 'LEAKS' : 'flat',
    points,
  };
}

/** As Markdown. */
export function table(trends: readonly Trend[]): string {
  const rows = trends.map(
    ({ process, figure, atEnd, slopePerHour, standardError, boundPerHour, verdict }) =>
      `| ${process} | ${figure} | ${atEnd.toFixed(1)} | ${slopePerHour.toFixed(2)} | ± ${standardError.toFixed(2)} | ${boundPerHour} | ${verdict} |`,
  );
  return [
    '| process | figure | at the end | slope per hour | standard error | bound | |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}
