// Rows in aligned columns, for people. Programs get JSON. What is in the cells may be a stranger's, and as wide on a
// terminal as it likes.

import stringWidth from 'string-width';
import { printable } from '../files/printable.ts';

/** As long as a node's name may be. */
const maxCharacters = 253;

/** One line a row, a header first; two spaces between columns, none at a line's end. */
export function formatTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  return tableLines(header, rows)
    .map((line) => `${line}\n`)
    .join('');
}

/** Without the ends of lines. */
function tableLines(header: readonly string[], rows: readonly (readonly string[])[]): string[] {
  const cells = rows.map((row) => row.map((cell) => printable(cell, maxCharacters)));
  const widths = header.map((title, column) =>
    cells.reduce((most, row) => Math.max(most, stringWidth(row[column] ?? '')), stringWidth(title)),
  );
  return [header, ...cells].map((row) =>
    row
      .map((cell, column) => padded(cell, widths[column] ?? 0))
      .join('  ')
      .trimEnd(),
  );
}

/** With spaces up to `columns` of a terminal, behind the text or in front of it. */
export function padded(text: string, columns: number, where: 'behind' | 'in-front' = 'behind'): string {
  const spaces = ' '.repeat(Math.max(0, columns - stringWidth(text)));
  return where === 'behind' ? text + spaces : spaces + text;
}

const graphemes = new Intl.Segmenter();

/** As much of a line as fits into `columns` of a terminal, with an ellipsis where it was longer. */
export function clipped(line: string, columns: number): string {
  if (stringWidth(line) <= columns) return line;
  let clip = '';
  let width = 0;
  for (const { segment } of graphemes.segment(line)) {
    width += stringWidth(segment);
    if (width > columns - 1) break;
    clip += segment;
  }
  return columns < 1 ? '' : `${clip}…`;
}
