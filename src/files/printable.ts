// Text that a stranger has chosen, made fit for a log, a terminal or a table: bounded, and with nothing in it that
// moves the cursor, ends a line or turns the reading order round.

/** Control and format characters, separators of lines and paragraphs, halves of characters. */
const misleading = /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu;

/** `\uXXXX` for what misleads; cut to `maxCharacters`, and an ellipsis, where it is longer. */
export function printable(text: string, maxCharacters: number): string {
  const cut = text.length <= maxCharacters ? text : `${text.slice(0, maxCharacters)}…`;
  return cut.replace(misleading, escaped);
}

/** {@link printable} for every field that is text. */
export function printableFields(fields: object, maxCharacters: number): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [
      name,
      typeof value === 'string' ? printable(value, maxCharacters) : value,
    ]),
  );
}

function escaped(character: string): string {
  const code = character.codePointAt(0) ?? 0;
  return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, '0')}`;
}
