// SIGHUP: the config file is read again, and what can change while the command runs does. A file that is wrong changes
// nothing. What the command line says stays as it is.

import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { Logger } from 'pino';
import { configurationOf, isSetBesides } from './configure.ts';
import { type ConfigFile, readConfig } from './read-config.ts';

/** How a key's new value is put in force; undefined: it was taken out, and the default holds. May throw. */
export type LiveKeys = Readonly<Record<string, (value: unknown) => void>>;

/**
 * What is to happen at SIGHUP; undefined where the command has no config file.
 */
export function reloader(command: Command, live: LiveKeys, log: Logger): (() => void) | undefined {
  const configuration = configurationOf(command);
  if (configuration === undefined) return undefined;
  const { path, keys } = configuration;
  let { file } = configuration;
  return () => {
    const next = readAgain();
    if (next === undefined) return;
    const { applied, waiting, overridden } = apply(next);
    file = next;
    if (waiting.length > 0)
      log.warn(
        { event: 'config-needs-restart', path, keys: waiting },
        'these keys have changed, and wait for a restart',
      );
    if (overridden.length > 0)
      log.warn(
        { event: 'config-overridden', path, keys: overridden },
        'the command line says these: they stay',
      );
    log.info({ event: 'config-loaded', path, keys: applied }, 'config file read again');
  };

  function readAgain(): ConfigFile | undefined {
    let error: string;
    try {
      const next = readConfig(readFileSync(path, 'utf8'), path, keys);
      if (next.problems.length === 0) return next;
      error = next.problems.slice(0, 5).join('; ');
    } catch (cause) {
      error = cause instanceof Error ? cause.message : String(cause);
    }
    log.warn(
      { event: 'config-failed', path, error },
      'the config file cannot be used: what it said before holds',
    );
    return undefined;
  }

  function apply(next: ConfigFile) {
    const applied: string[] = [];
    const waiting: string[] = [];
    const overridden: string[] = [];
    for (const [name, { option }] of keys) {
      if (next.values.get(name)?.text === file.values.get(name)?.text) continue;
      const put = live[name];
      if (isSetBesides(command, name, option.attributeName())) overridden.push(name);
      else if (put === undefined) waiting.push(name);
      else {
        try {
          put(next.values.has(name) ? next.values.get(name)?.value : option.defaultValue);
          applied.push(name);
        } catch (cause) {
          const error = cause instanceof Error ? cause.message : String(cause);
          log.warn(
            { event: 'config-failed', path, key: name, error },
            'this key cannot be used: it stays as it was',
          );
        }
      }
    }
    return { applied, waiting, overridden };
  }
}
