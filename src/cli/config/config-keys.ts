// What may stand in a config file: the flags of a command, by their own names. One table for the reader, for the schema
// and for its tests, made of the flags themselves, so that they cannot disagree.

import type { Command, Option } from 'commander';

export interface ConfigKey {
  /** The flag without its dashes. */
  readonly name: string;
  readonly option: Option;
  readonly kind: 'switch' | 'value' | 'list' | 'pairs';
  /** A relative one is seen from where the file is. */
  readonly isPath: boolean;
}

/** Flags that say what is to be done, not how. */
const notKeys: ReadonlySet<string> = new Set(['config', 'version', 'help']);

export function configKeys(command: Command): ReadonlyMap<string, ConfigKey> {
  const keys = new Map<string, ConfigKey>();
  for (const option of command.options) {
    const name = option.name().replace(/^no-/, '');
    if (notKeys.has(name) || option.hidden || (option.negate && keys.has(name))) continue;
    keys.set(name, { name, option, kind: kindOf(option), isPath: /<(file|directory)>/.test(option.flags) });
  }
  return keys;
}

function kindOf(option: Option): ConfigKey['kind'] {
  if (!option.required && !option.optional) return 'switch';
  if (/<key=value/.test(option.flags)) return 'pairs';
  return option.variadic || /\brepeatable\b/.test(option.description) ? 'list' : 'value';
}
