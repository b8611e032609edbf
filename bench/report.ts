// The table that is printed, a line for each subject of each workload.

import { type Cost, median, type Row, ratio, sum } from './figures.ts';
import type { IdleMemory } from './workloads/memory.ts';

export function describeRow(row: Row, baseline: string): string {
  const lines = Object.entries(row.figures).map(([subject, figures]) => {
    const toBaseline = ratio(row, subject, baseline);
    const range = `(${short(Math.min(...figures))}–${short(Math.max(...figures))})`;
    const stands = toBaseline === undefined ? '' : toBaseline.toFixed(2);
    return `  ${subject.padEnd(16)} ${short(median(figures)).padStart(9)} ${range.padEnd(19)} ${row.unit.padEnd(5)} ${stands}`;
  });
  return [`${row.workload} (${row.better} is better; ratio to ${baseline})`, ...lines, ''].join('\n');
}

export function describeCost({ work, seconds }: Cost): string {
  const lines = Object.entries(seconds).map(([subject, byProcess]) => {
    const parts = Object.entries(byProcess).map(([role, each]) => `${role} ${each.toFixed(2)}`);
    return `  ${subject.padEnd(16)} ${sum(byProcess).toFixed(2).padStart(9)}   ${parts.join(', ')}`;
  });
  return [`CPU seconds, ${work}`, ...lines, ''].join('\n');
}

export function describeMemory(what: string, all: readonly IdleMemory[]): string {
  const kib = (bytes: Readonly<Record<string, number>>) =>
    Object.entries(bytes)
      .map(([role, each]) => `${role} ${(each / 1024).toFixed(2)}`)
      .join(', ');
  const lines = all.map(
    ({ name, inUse, resident }) => `  ${name.padEnd(18)} in use ${kib(inUse)}; resident ${kib(resident)}`,
  );
  return [`KiB for each ${what}`, ...lines, ''].join('\n');
}

function short(figure: number): string {
  if (figure >= 100) return figure.toFixed(0);
  return figure >= 10 ? figure.toFixed(1) : figure.toFixed(2);
}
