// The command lines of the project's own programs: what was asked for, or how to ask.

import { type ParseArgsConfig, parseArgs } from 'node:util';

type Options = NonNullable<ParseArgsConfig['options']>;
type Values<T extends Options> = ReturnType<typeof parseArgs<{ options: T }>>['values'];

/** With `--help` it prints `usage` and ends the process; with a flag that there is not, too, and with exit code 2. */
export function commandLine<const T extends Options>(usage: string, options: T): Values<T> {
  try {
    const { values } = parseArgs({ options: { ...options, help: { type: 'boolean', short: 'h' } } });
    if ('help' in values) {
      process.stdout.write(`${usage}\n`);
      process.exit(0);
    }
    return values as Values<T>;
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n${usage}\n`);
    process.exit(2);
  }
}
