// Ordinary least squares: the slope of a series, and how far it may be off.

export interface Fit {
  readonly slope: number;
  /** The slope lies within so much of it with 95 % probability, if what is left over is noise. */
  readonly halfWidth: number;
}

export function leastSquares(points: readonly (readonly [x: number, y: number])[]): Fit {
  const n = points.length;
  if (n < 3) return { slope: 0, halfWidth: Number.POSITIVE_INFINITY };
  const meanX = points.reduce((sum, [x]) => sum + x, 0) / n;
  const meanY = points.reduce((sum, [, y]) => sum + y, 0) / n;
  const sxx = points.reduce((sum, [x]) => sum + (x - meanX) ** 2, 0);
  const sxy = points.reduce((sum, [x, y]) => sum + (x - meanX) * (y - meanY), 0);
  const slope = sxy / sxx;
  const residual = points.reduce((sum, [x, y]) => sum + (y - meanY - slope * (x - meanX)) ** 2, 0);
  return { slope, halfWidth: 1.96 * Math.sqrt(residual / (n - 2) / sxx) };
}
