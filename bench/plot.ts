// One SVG for each workload: a bar a subject, its range over the rounds as a line. Readable on light and on dark.

import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { median, type Row, ratio } from './figures.ts';

const barHeight = 22;
const gap = 8;
const left = 130;
const width = 760;
const right = 170;

export function plotRows(directory: string, rows: readonly Row[], baseline: string): void {
  mkdirSync(directory, { recursive: true });
  for (const row of rows) {
    const name = row.workload.replace(/[^a-z0-9]+/gi, '-');
    writeFileSync(join(directory, `${name}.svg`), plot(row, baseline));
  }
}

function rounded(figure: number): string {
  return figure < 100 ? String(Number(figure.toPrecision(3))) : Math.round(figure).toLocaleString('en');
}

function plot(row: Row, baseline: string): string {
  const subjects = Object.entries(row.figures);
  const most = Math.max(...subjects.flatMap(([, figures]) => figures));
  const height = 44 + subjects.length * (barHeight + gap);
  const x = (figure: number) => left + (figure / most) * (width - left - right);
  const bars = subjects.map(([name, figures], at) => {
    const y = 36 + at * (barHeight + gap);
    const middle = y + barHeight / 2;
    const stands = ratio(row, name, baseline)?.toFixed(2) ?? '';
    const kind = name.startsWith('fairlead') ? 'ours' : 'peer';
    return [
      `<text x="${left - 8}" y="${middle + 4}" text-anchor="end">${name}</text>`,
      `<rect class="${kind}" x="${left}" y="${y}" width="${(x(median(figures)) - left).toFixed(1)}" height="${barHeight}" rx="3"/>`,
      `<line x1="${x(Math.min(...figures)).toFixed(1)}" x2="${x(Math.max(...figures)).toFixed(1)}" y1="${middle}" y2="${middle}"/>`,
      `<text x="${width - right + 10}" y="${middle + 4}">${rounded(median(figures))} ${row.unit} · ${stands}</text>`,
    ].join('');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="system-ui, sans-serif" font-size="12" role="img">
<title>${row.workload}: ${subjects.map(([name, figures]) => `${name} ${rounded(median(figures))} ${row.unit}`).join(', ')}</title>
<style>svg{background:#fff}text{fill:#222}.ours{fill:#2f6fde}.peer{fill:#b8c0cc}line{stroke:#444}
@media(prefers-color-scheme:dark){svg{background:#14171c}text{fill:#dde}.peer{fill:#59626f}line{stroke:#ccc}}</style>
<text x="8" y="20" font-size="14" font-weight="600">${row.workload} — ${row.better} is better; ratio to ${baseline}</text>
${bars.join('\n')}
</svg>
`;
}
