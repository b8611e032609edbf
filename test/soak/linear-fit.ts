// Ordinary least squares: the slope of a series, and its standard error.

export type Point = readonly [x: number, y: number];

export interface Fit {
  readonly slope: number;
  readonly standardError: number;
}

export function leastSquares(points: readonly Point[]): Fit {
  const n = points.length;
  if (n < 3) return { slope: 0, standardError: Number.POSITIVE_INFINITY };
  const meanX = mean(points.map(([x]) => x));
  const meanY = mean(points.map(([, y]) => y));
  const sxx = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const sxy = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const slope = sxy / sxx;
  const residual = points.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0);
  return { slope, standardError: Math.sqrt(residual / (n - 2) / sxx) };
}

/**
 * The least of each of so many stretches of a series: what comes and goes, and is given back within a stretch, does not
 * show in it, and what is never given back does.
 */
export function floors(points: readonly Point[], count: number): Point[] {
  const length = Math.max(1, points.length / count);
  return Array.from({ length: Math.min(count, points.length) }, (_, n) => {
    const some = points.slice(Math.floor(n * length), Math.floor((n + 1) * length));
    return [mean(some.map(([x]) => x)), Math.min(...some.map(([, y]) => y))];
  });
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
