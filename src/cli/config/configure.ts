// Gives a command what its config file says: after its flags and the environment, before its defaults.

import { readFileSync } from 'node:fs';
import { Command } from 'commander';
import { addBrokerOptions } from '../credentials.ts';
import { addE2eDialOptions } from '../e2e-options.ts';
import { UsageError } from '../failure.ts';
import { addLogOption } from '../log.ts';
import { type ConfigKey, configKeys } from './config-keys.ts';
import { clientConfigPath } from './config-path.ts';
import { type ConfigFile, readConfig } from './read-config.ts';

/** Commands with a file of their own; all others share one, of what reaches the broker. */
export const servingCommands: readonly string[] = ['broker', 'agent', 'gateway'];

/** Variables that stand in for a flag, and so win over the file. */
const variablesOf: Readonly<Record<string, readonly string[]>> = {
  broker: ['FAIRLEAD_BROKER'],
  'token-file': ['FAIRLEAD_TOKEN_FILE', 'FAIRLEAD_TOKEN'],
  'listen-token-file': ['FAIRLEAD_LISTEN_TOKEN_FILE'],
};

interface Configured {
  readonly path: string;
  readonly keys: ReadonlyMap<string, ConfigKey>;
  readonly file: ConfigFile;
}

const configured = new WeakMap<Command, Configured>();

/** What `command` was configured with, if with a file. */
export function configurationOf(command: Command): Configured | undefined {
  return configured.get(command);
}

export function configure(command: Command): void {
  if (!command.options.some((option) => option.name() === 'config')) return;
  const place = placeOf(command);
  const text = place && textOf(place);
  if (place === undefined || text === undefined) return;
  const keys = keysFor(command);
  const file = readConfig(text, place.path, keys);
  if (file.problems.length > 0) throw new UsageError(file.problems.slice(0, 5).join('; '));
  configured.set(command, { path: place.path, keys, file });
  for (const [name, { key, value }] of file.values) {
    const attribute = key.option.attributeName();
    if (!command.options.some((option) => option.attributeName() === attribute)) continue;
    if (isSetBesides(command, name, attribute)) continue;
    command.setOptionValueWithSource(attribute, value, 'config');
  }
}

/** Whether the command line or the environment says it. */
export function isSetBesides(command: Command, name: string, attribute: string): boolean {
  const source = command.getOptionValueSource(attribute);
  if (source === 'cli' || source === 'env') return true;
  return (variablesOf[name] ?? []).some((variable) => (process.env[variable] ?? '') !== '');
}

/** The keys of the files that `command` reads. */
export function keysFor(command: Command): ReadonlyMap<string, ConfigKey> {
  return configKeys(servingCommands.includes(command.name()) ? command : clientFlags());
}

/** What every command of a dialer has, or most of them. */
export function clientFlags(): Command {
  return addLogOption(addE2eDialOptions(addBrokerOptions(new Command('client'))), 'warn');
}

function placeOf(command: Command): { readonly path: string; readonly wasNamed: boolean } | undefined {
  const { config }: { config?: string } = command.opts();
  if (config !== undefined) return { path: config, wasNamed: true };
  return servingCommands.includes(command.name()) ? undefined : clientConfigPath();
}

/** @throws the system's error where a file that was named cannot be read */
function textOf({
  path,
  wasNamed,
}: {
  readonly path: string;
  readonly wasNamed: boolean;
}): string | undefined {
  try {
    return readFileSync(path, 'utf8');
  } catch (error) {
    if (wasNamed || (error as NodeJS.ErrnoException).code !== 'ENOENT')
      throw Object.assign(error as Error, { path });
    return undefined;
  }
}
