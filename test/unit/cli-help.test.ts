// Every command's `--help` has examples, and they are what the command would take: no flag that there is not, no argument
// too few.

import { type Command, CommanderError } from 'commander';
import { type ParseEntry, parse } from 'shell-quote';
import { describe, expect, test } from 'vitest';
import { buildProgram, commands } from '../../src/cli/commands.ts';

const program = await buildProgram(Object.keys(commands));
for (const command of tree(program))
  if (command.registeredArguments.length > 0 || command.commands.length === 0 || command.name() === 'token')
    command.action(() => {});

/** With all that are below it. */
function tree(command: Command): Command[] {
  return [command, ...command.commands.flatMap(tree)];
}

function pathOf(command: Command): string {
  return command.parent === null ? 'fairlead' : `${pathOf(command.parent)} ${command.name()}`;
}

function helpOf(command: Command): string {
  let help = '';
  command.configureOutput({
    writeOut: (text) => {
      help += text;
    },
  });
  command.outputHelp();
  return help;
}

/** The lines below "Examples:", those that go on in the next one joined. */
function examplesOf(command: Command): string[] {
  const [, after = ''] = helpOf(command).split(/^Examples?:$/m);
  return after
    .replaceAll(/\\\n\s*/g, '')
    .split('\n')
    .filter((line) => /^ {2}\S/.test(line));
}

/** What each `fairlead` in a line of shell is given, in command substitutions and in ssh's ProxyCommand, too. */
function invocations(line: string): string[][] {
  const found: string[][] = [];
  let args: string[] | undefined;
  let isRedirected = false;
  const entries = parse(line, (name) => (name === 'NODE_NAME' ? 'edge-1' : 'x'));
  const end = (): void => {
    if (args !== undefined) found.push(args);
    args = undefined;
  };
  for (const entry of entries) {
    const word = wordOf(entry);
    if (word === undefined) {
      isRedirected = typeof entry === 'object' && 'op' in entry && /^[<>]+$/.test(entry.op);
      if (!isRedirected) end();
    } else if (isRedirected) {
      isRedirected = false;
    } else if (args === undefined) {
      if (/(^|\/)fairlead$/.test(word)) args = [];
      const [, proxy] = /^ProxyCommand=(.*)$/.exec(word) ?? [];
      if (proxy !== undefined) found.push(...invocations(proxy.replace('%h:%p', '127.0.0.1:22')));
    } else args.push(word);
  }
  end();
  return found;
}

function wordOf(entry: ParseEntry): string | undefined {
  if (typeof entry === 'string') return entry;
  return 'op' in entry && entry.op === 'glob' ? entry.pattern : undefined;
}

describe.each(tree(program).map((command) => [pathOf(command), command] as const))('%s', (path, command) => {
  const examples = examplesOf(command);

  test('has examples', () => {
    expect(examples.length).toBeGreaterThan(0);
    const own = examples
      .flatMap(invocations)
      .filter((args) => `fairlead ${args.join(' ')} `.startsWith(`${path} `));
    expect(own.length, 'none of them shows the command itself').toBeGreaterThan(0);
  });

  test.each(examples)('would take: %s', async (line) => {
    for (const args of invocations(line)) {
      // "…" stands for the flags that every line would have.
      const isWhole = !args.includes('…');
      const given = args.filter((word) => word !== '…');
      await program.parseAsync(given, { from: 'user' }).catch((error: unknown) => {
        if (!(error instanceof CommanderError)) throw error;
        if (isWhole || error.code !== 'commander.missingMandatoryOptionValue') throw error;
      });
    }
  });
});

test('the summaries of commands that are not loaded are those of all', async () => {
  const listed = await buildProgram([]);
  const named = (of: Command) => of.commands.map((each) => [each.name(), each.summary()]);
  expect(named(listed)).toEqual(named(program));
  expect(listed.commands.every((each) => each.summary() !== '')).toBe(true);
});

describe('what is mistyped gets a suggestion', () => {
  test.each([
    [['pign', 'edge-1'], 'Did you mean ping?'],
    [['ping', '--cuont', '3', 'edge-1'], 'Did you mean --count?'],
    [['token', 'inspect', '--jsn'], 'Did you mean --json?'],
    [['completion', 'bsh'], 'Allowed choices are bash, zsh, fish'],
  ])('%j', async (args, suggestion) => {
    await expect(program.parseAsync(args, { from: 'user' })).rejects.toThrow(suggestion);
  });
});
