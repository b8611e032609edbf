// `fairlead config`: says whether a config file is good, where one is looked for, and what may stand in it.

import { type Command, InvalidArgumentError } from 'commander';
import { type ConfigKey, configKeys } from './config/config-keys.ts';
import { clientConfigPath } from './config/config-path.ts';
import { clientFlags } from './config/configure.ts';
import { readConfig } from './config/read-config.ts';
import { configSchema } from './config/schema.ts';
import { readText } from './credentials.ts';
import { exitCodes } from './failure.ts';
import { print } from './print.ts';
import { newProgram } from './run.ts';

const kinds = ['broker', 'agent', 'gateway', 'client'] as const;
type Kind = (typeof kinds)[number];

export function addConfigCommand(program: Command): void {
  const command = program
    .command('config')
    .description('Checks config files, and prints what may stand in them.')
    .addHelpText(
      'after',
      [
        '',
        'A kind is broker, agent or gateway, or client: what dial, forward, nodes and the like share.',
        '',
        'Examples:',
        '  fairlead config check agent /etc/fairlead/agent.yaml',
        '  fairlead config schema broker > broker.schema.json',
        '  fairlead config path',
      ].join('\n'),
    );
  command
    .command('check')
    .description(
      'Reads a config file as the command would, and says what is wrong with it, each with its line.',
    )
    .argument('<kind>', kinds.join(', '), parseKind)
    .argument('<file>', 'the file')
    .addHelpText('after', '\nExamples:\n  fairlead config check client ~/.config/fairlead/config.yaml')
    .action(check);
  command
    .command('schema')
    .description('Prints the JSON Schema of such a file, for editors.')
    .argument('<kind>', kinds.join(', '), parseKind)
    .addHelpText('after', '\nExamples:\n  fairlead config schema agent > agent.schema.json')
    .action(async (kind: Kind) =>
      print(`${JSON.stringify(configSchema(kind, await keysOf(kind)), null, 2)}\n`),
    );
  command
    .command('path')
    .description('Prints where dial, forward, nodes and the like look for their file.')
    .addHelpText('after', '\nExamples:\n  fairlead config path')
    .action(() => print(`${clientConfigPath().path}\n`));
}

async function check(kind: Kind, file: string): Promise<void> {
  const { values, problems } = readConfig(await readText(file), file, await keysOf(kind));
  for (const problem of problems) process.stderr.write(`${problem}\n`);
  if (problems.length === 0) print(`${file}: good, ${values.size} ${values.size === 1 ? 'key' : 'keys'}\n`);
  else process.exitCode = exitCodes.failed;
}

async function keysOf(kind: Kind): Promise<ReadonlyMap<string, ConfigKey>> {
  if (kind === 'client') return configKeys(clientFlags());
  // Here, or the table of commands would be asked for before it is there.
  const { commands } = await import('./commands.ts');
  const program = newProgram('fairlead');
  (await commands[kind]?.load())?.(program);
  const [command] = program.commands;
  return command === undefined ? new Map() : configKeys(command);
}

function parseKind(text: string): Kind {
  const kind = kinds.find((candidate) => candidate === text);
  if (kind === undefined) throw new InvalidArgumentError(`There are ${kinds.join(', ')}.`);
  return kind;
}
