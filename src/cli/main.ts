// The command line's entry: assembles the commands and turns whatever goes wrong into one line and an exit
// code. Must never let a stack trace out.

import { once } from 'node:events';
import { Command } from 'commander';
import { describe, exitCodeOf, exitCodes } from './failure.ts';
import { version } from './version.ts';

/** Loaded when named, so that a `dial`, which ssh starts for every connection, does not wait for a broker's modules. */
const loaders: Readonly<Record<string, () => Promise<(program: Command) => void>>> = {
  broker: async () => (await import('./broker.ts')).addBrokerCommand,
  agent: async () => (await import('./agent.ts')).addAgentCommand,
  dial: async () => (await import('./dial.ts')).addDialCommand,
  forward: async () => (await import('./forward.ts')).addForwardCommand,
  gateway: async () => (await import('./gateway.ts')).addGatewayCommand,
  token: async () => (await import('./token.ts')).addTokenCommand,
  keys: async () => (await import('./keys.ts')).addKeysCommand,
  nodes: async () => (await import('./nodes.ts')).addNodesCommand,
  status: async () => (await import('./status.ts')).addStatusCommand,
  top: async () => (await import('./top.ts')).addTopCommand,
  doctor: async () => (await import('./doctor.ts')).addDoctorCommand,
  ping: async () => (await import('./ping.ts')).addPingCommand,
  up: async () => (await import('./up.ts')).addUpCommand,
};

async function buildProgram(): Promise<Command> {
  const program = new Command('fairlead')
    .description('Reach TCP services behind NAT through a broker that holds no stream state.')
    .version(version)
    // So that "token inspect" has flags of its own.
    .enablePositionalOptions()
    .showSuggestionAfterError()
    .exitOverride()
    // Errors are printed below, in one place and in one line.
    .configureOutput({ outputError: () => {} })
    .addHelpText(
      'after',
      [
        '',
        'Start with "fairlead up": broker and agent in one process, and lines to paste.',
        'Environment: FAIRLEAD_BROKER, FAIRLEAD_TOKEN_FILE and FAIRLEAD_TOKEN stand in for the flags.',
        'Exit codes: 0 done, 1 failed, 2 wrong usage; 128 + N where a second signal N ended it.',
      ].join('\n'),
    );
  const name = process.argv[2] ?? '';
  // `__proto__` is no command.
  const named = Object.hasOwn(loaders, name) ? loaders[name] : undefined;
  for (const load of named === undefined ? Object.values(loaders) : [named]) (await load())(program);
  return program;
}

function fail(program: Command, error: unknown): void {
  const code = exitCodeOf(error);
  process.exitCode = code;
  if (code === exitCodes.done) return;
  const command = program.commands.find((candidate) => process.argv[2] === candidate.name());
  const help = `fairlead${command === undefined ? '' : ` ${command.name()}`} --help`;
  const advice = code === exitCodes.usage ? `; see "${help}"` : '';
  process.stderr.write(`fairlead: ${describe(error)}${advice}\n`);
}

const program = await buildProgram();

process.on('uncaughtException', (error) => {
  fail(program, error);
  process.exit();
});

if (process.argv.length <= 2) {
  program.outputHelp({ error: true });
  process.exitCode = exitCodes.usage;
} else {
  try {
    await program.parseAsync();
  } catch (error) {
    fail(program, error);
  }
}

// What a command began has ended by now. Left to itself, Node first waits for every handle to close, and was seen to
// spin for ever in that, for TLS inside a stream (node::Environment::CleanupHandles, Node 20.20).
for (const output of [process.stdout, process.stderr])
  if (output.writableLength > 0) await once(output, 'drain');
process.exit();
