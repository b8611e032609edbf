// The command line's entry: assembles the commands.

import type { Command } from 'commander';
import { newProgram, run } from './run.ts';

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
  const program = newProgram('fairlead')
    .description('Reach TCP services behind NAT through a broker that holds no stream state.')
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

const program = await buildProgram();
const command = program.commands.find((candidate) => process.argv[2] === candidate.name());
const help = `fairlead${command === undefined ? '' : ` ${command.name()}`} --help`;
await run(program, process.argv.slice(2), help);
