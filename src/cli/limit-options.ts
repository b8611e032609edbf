// Flags for limits, made of the table that holds them: `--max-…`, with range and default in the help.

import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Limit } from '../broker/limits.ts';

export type LimitTable<Name extends string> = Readonly<Record<Name, Limit>>;

const bytesPerUnit: Readonly<Record<string, number>> = { '': 1, KiB: 1024, MiB: 1024 ** 2, GiB: 1024 ** 3 };

/** `--max-connections-per-address` for `maxConnectionsPerAddress`. */
function flagOf(name: string): string {
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

export function addLimitOptions(command: Command, limits: LimitTable<string>): Command {
  for (const [name, { least, most, standard, standardInWords, help }] of Object.entries(limits)) {
    const isBytes = name.endsWith('Bytes');
    const byDefault = standardInWords ?? (isBytes ? formatBytes(standard) : standard);
    command.addOption(
      new Option(
        `${flagOf(name)} <${isBytes ? 'bytes' : 'count'}>`,
        `most ${help} (default: ${byDefault})`,
      ).argParser((text) => inRange(isBytes ? parseBytes(text) : parseCount(text), least, most)),
    );
  }
  return command;
}

/** What was given of them. */
export function limitsGiven<Name extends string>(
  limits: LimitTable<Name>,
  options: { readonly [Key in NoInfer<Name>]?: number },
): { [Key in Name]?: number } {
  const given: { [Key in Name]?: number } = {};
  for (const name of Object.keys(limits) as Name[])
    if (options[name] !== undefined) given[name] = options[name];
  return given;
}

function parseCount(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new InvalidArgumentError('Write a whole number, such as "1000".');
  return Number(text);
}

function parseBytes(text: string): number {
  const [, digits, unit] = /^(\d{1,15})(|KiB|MiB|GiB)$/.exec(text) ?? [];
  if (digits === undefined)
    throw new InvalidArgumentError(
      'Write a number of bytes, such as "1048576", "256KiB", "64MiB" or "2GiB".',
    );
  return Number(digits) * (bytesPerUnit[unit ?? ''] ?? 1);
}

function inRange(value: number, least: number, most: number): number {
  if (value < least) throw new InvalidArgumentError(`The least is ${least}.`);
  if (value > most) throw new InvalidArgumentError(`The most is ${most}.`);
  return value;
}

/** In the largest unit that it is a whole number of, or rounded to MiB. */
function formatBytes(bytes: number): string {
  if (bytes % 1024 !== 0) return `${Math.round(bytes / 1024 ** 2)}MiB`;
  for (const unit of ['GiB', 'MiB', 'KiB']) {
    const size = bytesPerUnit[unit] ?? 1;
    if (bytes % size === 0) return `${bytes / size}${unit}`;
  }
  return String(bytes);
}
