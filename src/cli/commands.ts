// All commands by name, each loaded when it is named: a `dial`, which ssh starts for every connection, does not wait for
// a broker's modules, and a completion does not wait for any.

import type { Command } from 'commander';
import { newProgram } from './run.ts';

interface CommandEntry {
  /** Its line in the list of commands. */
  readonly summary: string;
  readonly load: () => Promise<(program: Command) => void>;
}

export const commands: Readonly<Record<string, CommandEntry>> = {
  broker: {
    summary: 'run a broker, which agents and dialers connect to',
    load: async () => (await import('./broker.ts')).addBrokerCommand,
  },
  agent: {
    summary: 'serve a node: connect dialers to what it reaches',
    load: async () => (await import('./agent.ts')).addAgentCommand,
  },
  dial: {
    summary: 'connect stdin and stdout to a target behind a node',
    load: async () => (await import('./dial.ts')).addDialCommand,
  },
  forward: {
    summary: 'listen on local ports for targets behind nodes',
    load: async () => (await import('./forward.ts')).addForwardCommand,
  },
  gateway: {
    summary: 'let kube-apiserver, curl and ssh reach nodes as they are',
    load: async () => (await import('./gateway.ts')).addGatewayCommand,
  },
  token: {
    summary: 'make a token for an agent or for a dialer, or explain one',
    load: async () => (await import('./token.ts')).addTokenCommand,
  },
  keys: {
    summary: 'make a key pair for tokens, or one for end-to-end encryption',
    load: async () => (await import('./keys.ts')).addKeysCommand,
  },
  nodes: {
    summary: 'list the agents that are connected',
    load: async () => (await import('./nodes.ts')).addNodesCommand,
  },
  status: {
    summary: 'show the broker and who is connected to it',
    load: async () => (await import('./status.ts')).addStatusCommand,
  },
  top: {
    summary: 'watch who is connected and what goes through',
    load: async () => (await import('./top.ts')).addTopCommand,
  },
  ping: {
    summary: 'measure the way to a node: round trips, loss, jitter',
    load: async () => (await import('./ping.ts')).addPingCommand,
  },
  doctor: {
    summary: 'find out what stands between here and a target',
    load: async () => (await import('./doctor.ts')).addDoctorCommand,
  },
  config: {
    summary: 'check config files, and print what may stand in them',
    load: async () => (await import('./config.ts')).addConfigCommand,
  },
  completion: {
    summary: 'complete commands, flags and node names in bash, zsh and fish',
    load: async () => (await import('./completion.ts')).addCompletionCommand,
  },
  up: {
    summary: 'the two-minute tour: everything in one process, on loopback',
    load: async () => (await import('./up.ts')).addUpCommand,
  },
};

/** The program with what the command line names loaded, and no more than a summary of everything else. */
export async function buildProgram(names: readonly string[]): Promise<Command> {
  const program = newProgram('fairlead')
    .description('Reach TCP services behind NAT through a broker that holds no stream state.')
    .addHelpText(
      'after',
      [
        '',
        'Start with "fairlead up": broker and agent in one process, and lines to paste.',
        'Environment: FAIRLEAD_BROKER, FAIRLEAD_TOKEN_FILE and FAIRLEAD_TOKEN stand in for the flags.',
        'Exit codes: 0 done, 1 failed, 2 wrong usage; 128 + N where a second signal N ended it.',
        '',
        'Examples:',
        '  fairlead up',
        '  fairlead doctor edge-1 127.0.0.1:22',
      ].join('\n'),
    );
  for (const [name, { summary, load }] of Object.entries(commands)) {
    if (names.includes(name)) {
      (await load())(program);
      program.commands.at(-1)?.summary(summary);
    } else program.command(name).summary(summary);
  }
  return program;
}
