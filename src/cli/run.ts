// A command line from its arguments to the end of the process: whatever goes wrong becomes one line and an exit code.
// Must never let a stack trace out.

import { once } from 'node:events';
import { Command } from 'commander';
import { describe, exitCodeOf, exitCodes } from './failure.ts';
import { version } from './version.ts';

export function newProgram(name: string): Command {
  return (
    new Command(name)
      .version(version)
      // So that "token inspect" has flags of its own.
      .enablePositionalOptions()
      .showSuggestionAfterError()
      .exitOverride()
      // Errors are printed below, in one place and in one line.
      .configureOutput({ outputError: () => {} })
  );
}

/** `args` as after the program's name. `help` is what shows how it is used: named after a mistake in them. */
export async function run(program: Command, args: readonly string[], help: string): Promise<never> {
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
