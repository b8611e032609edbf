// Rows in aligned columns, for people. Programs get JSON. What is in the cells may be a stranger's.

import { printable } from '../files/printable.ts';

/** As long as a node's name may be. */
const maxCharacters = 253;

/** One line a row, a header first; two spaces between columns, none at a line's end. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  const cells = rows.map((row) => row.map((cell) => printable(cell, maxCharacters)));
  const widths = header.map((title, column) =>
    Math.max(title.length, ...cells.map((row) => row[column]?.length ?? 0)),
  );
  return [header, ...cells]
    .map(
      (row) =>
        `${row
          .map((cell, column) => cell.padEnd(widths[column] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('');
}
