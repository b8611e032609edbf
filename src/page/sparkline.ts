// The way of a rate over the last minutes, as the path of an SVG.

/** Less than this is keep-alive and noise: it is drawn flat. */
const leastScale = 2000;

export interface Sparkline {
  readonly line: string;
  readonly area: string;
}

export function sparkline(history: Float32Array, width: number, height: number): Sparkline {
  let most = leastScale;
  for (const value of history) if (value > most) most = value;
  const step = width / (history.length - 1);
  let line = '';
  history.forEach((value, i) => {
    const y = height - 1 - (value / most) * (height - 2);
    line += `${i === 0 ? 'M' : 'L'}${(i * step).toFixed(1)} ${y.toFixed(1)}`;
  });
  return { line, area: `${line}L${width} ${height}L0 ${height}Z` };
}
