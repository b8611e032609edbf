// Figures side by side as a table of Markdown: a row a figure, a column a number of nodes.

export function tableOf(columns: readonly Readonly<Record<string, unknown>>[]): string {
  const [first = {}] = columns;
  const names = Object.keys(first).filter((name) => !Array.isArray(first[name]));
  const rows = names.map((name) => [name, ...columns.map((column) => shown(column[name]))]);
  const [head = [], ...body] = rows;
  return [head, head.map((_, i) => (i === 0 ? '---' : '--:')), ...body]
    .map((cells) => `| ${cells.join(' | ')} |\n`)
    .join('');
}

function shown(value: unknown): string {
  if (typeof value !== 'number') return value === undefined ? '–' : String(value);
  const digits = Math.abs(value) < 10 && !Number.isInteger(value) ? 2 : 0;
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}
