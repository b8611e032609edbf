// A command line from its arguments to the end of the process: whatever goes wrong becomes one line and an exit code.
// Must never let a stack trace out.

import { once } from 'node:events';
import { existsSync } from 'node:fs';
import type { Command } from 'commander';
import { clientConfigPath } from './config/config-path.ts';
import { ConfiguredCommand } from './configured-command.ts';
import { describe, exitCodeOf, exitCodes } from './failure.ts';
import { letHeapGrow } from './heap.ts';
import { print } from './print.ts';
import { version } from './version.ts';

export function newProgram(name: string): ConfiguredCommand {
  return (
    new ConfiguredCommand(name)
      .version(version)
      // So that "token inspect" has flags of its own.
      .enablePositionalOptions()
      .showSuggestionAfterError()
      .exitOverride()
      // Errors are printed below, in one place and in one line.
      .configureOutput({ outputError: () => {}, writeOut: print })
  );
}

/** What reads config files takes a moment to load, and `dial` is started for every connection of ssh. */
function mayBeConfigured(args: readonly string[]): boolean {
  return (
    args.some((arg) => /^--config(=|$)/.test(arg)) ||
    isThere(clientConfigPath().path) ||
    'FAIRLEAD_CONFIG' in process.env
  );
}

/** Under Node's permission model a file that may not be read is as good as none. */
function isThere(path: string): boolean {
  try {
    return existsSync(path);
  } catch {
    return false;
  }
}

/** `args` as after the program's name. `help` is what shows how it is used: named after a mistake in them. */
export async function run(program: Command, args: readonly string[], help: string): Promise<never> {
  letHeapGrow();
  const fail = (error: unknown): void => {
    const code = exitCodeOf(error);
    process.exitCode = code;
    if (code === exitCodes.done) return;
    const advice = code === exitCodes.usage ? `; see "${help}"` : '';
    process.stderr.write(`fairlead: ${describe(error)}${advice}\n`);
  };

  process.on('uncaughtException', (error) => {
    fail(error);
    process.exit();
  });

  if (args.length === 0) {
    program.outputHelp({ error: true });
    process.exitCode = exitCodes.usage;
  } else {
    try {
      if (program instanceof ConfiguredCommand && mayBeConfigured(args))
        program.configure = (await import('./config/configure.ts')).configure;
      await program.parseAsync(args, { from: 'user' });
    } catch (error) {
      fail(error);
    }
  }

  // What a command began has ended by now. Left to itself, Node first waits for every handle to close, and was seen to
  // spin for ever in that, for TLS inside a stream (node::Environment::CleanupHandles, Node 20.20).
  for (const output of [process.stdout, process.stderr])
    if (output.writableLength > 0) await once(output, 'drain');
  process.exit();
}
