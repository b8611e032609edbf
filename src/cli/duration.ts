// Durations as they are written on the command line: whole seconds, or a number with a unit.

import { InvalidArgumentError } from 'commander';

const secondsPerUnit: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600, d: 86_400 };

/** A whole number of seconds, 0 to 999999. */
export function parseSeconds(text: string): number {
  if (!/^\d{1,6}$/.test(text))
    throw new InvalidArgumentError('Write a whole number of seconds, such as "30".');
  return Number(text);
}

/** `90s`, `15m`, `24h`, `30d`, in seconds; at least one second. */
export function parseDuration(text: string): number {
  const [, digits, unit] = /^(\d{1,6})([smhd])$/.exec(text) ?? [];
  const seconds = Number(digits) * (secondsPerUnit[unit ?? ''] ?? Number.NaN);
  if (!(seconds >= 1)) throw new InvalidArgumentError('Write a number and s, m, h or d, such as "24h".');
  return seconds;
}

/** A number of seconds that may have a fraction, such as `0.5`, from `least` to 86400. */
export function parseFraction(text: string, least: number): number {
  const seconds = /^\d{1,6}(\.\d{1,3})?$|^\.\d{1,3}$/.test(text) ? Number(text) : Number.NaN;
  if (!(seconds >= least && seconds <= 86_400))
    throw new InvalidArgumentError(`Write a number of seconds from ${least} to 86400, such as "0.5".`);
  return seconds;
}

/** How many: a whole number from 1 to 999999. */
export function parseCount(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('Write a whole number from 1 to 999999.');
  return Number(text);
}
