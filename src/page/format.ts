// Figures and foreign text, as people read them. What a peer wrote is shown as what it is: no mark in it turns the
// direction of the line or hides anything.

const units = ['B', 'kB', 'MB', 'GB', 'TB', 'PB'];

/** `1.2 MB`: three digits at most, powers of a thousand. */
export function bytes(count: number): string {
  let value = count;
  let unit = 0;
  while (value >= 999.5 && unit < units.length - 1) {
    value /= 1000;
    unit++;
  }
  return `${unit === 0 || value >= 99.5 ? Math.round(value) : value.toPrecision(value >= 9.95 ? 3 : 2)} ${units[unit]}`;
}

export function milliseconds(ms: number): string {
  if (ms < 9.95) return `${ms.toFixed(1)} ms`;
  return ms < 9999.5 ? `${Math.round(ms)} ms` : `${Math.round(ms / 1000)} s`;
}

const steps = [
  [86_400, 'd'],
  [3600, 'h'],
  [60, 'min'],
  [1, 's'],
] as const;

/** `3 h`: the largest unit that there is one of. */
export function duration(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  for (const [length, name] of steps) if (seconds >= length) return `${Math.floor(seconds / length)} ${name}`;
  return '0 s';
}

export function count(number: number): string {
  return number.toLocaleString('en-US');
}

/** The reader's own clock and calendar. */
export function moment(iso: string): string {
  const at = new Date(iso);
  return Number.isNaN(at.getTime()) ? plain(iso) : at.toLocaleString(undefined, { timeZoneName: 'short' });
}

/** Invisible and turning characters by their number. */
export function plain(text: string): string {
  return text.replace(
    /[\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]/gu,
    (mark) => `⟨U+${(mark.codePointAt(0) ?? 0).toString(16).toUpperCase().padStart(4, '0')}⟩`,
  );
}
