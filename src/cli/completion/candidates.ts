// What may stand at the end of a command line that is being typed, read off commander's own tree of commands, so that it
// is never out of date. Node names are the broker's to know; they are asked for only where one is to be written.

import type { Argument, Command, Option } from 'commander';

interface Candidate {
  readonly value: string;
  readonly description?: string;
}

export interface Completion {
  readonly candidates: readonly Candidate[];
  /** True where the shell is to add the names of files. */
  readonly files: boolean;
}

/** What was written of the options of the command, by attribute name. */
export type Written = ReadonlyMap<string, string | true>;

export type ListNodes = (written: Written) => Promise<readonly string[]>;

const nothing: Completion = { candidates: [], files: false };

/** `words`: those after the program's name, the one that is being typed last, which may be empty. */
export async function complete(
  program: Command,
  words: readonly string[],
  listNodes: ListNodes,
): Promise<Completion> {
  const current = words.at(-1) ?? '';
  const line = read(program, words.slice(0, -1));
  const { command, written } = line;
  if (line.awaiting !== undefined) return await valuesOf(line.awaiting, current, written, listNodes);
  if (line.onlyArguments !== true && current.startsWith('-')) {
    const [flag = '', value] = splitFlag(current);
    if (value === undefined) return { candidates: startingWith(current, flagsOf(command)), files: false };
    const option = findOption(command, flag);
    return option === undefined || !takesValue(option)
      ? nothing
      : await valuesOf(option, value, written, listNodes);
  }
  // `fairlead help dial`
  if (command.name() === 'help')
    return { candidates: startingWith(current, commandsOf(program)), files: false };
  const { registeredArguments } = command;
  const argument = registeredArguments[line.positionals] ?? variadicOf(registeredArguments);
  const names = line.positionals === 0 ? commandsOf(command) : [];
  const values = argument === undefined ? nothing : await valuesOf(argument, current, written, listNodes);
  return { candidates: [...startingWith(current, names), ...values.candidates], files: values.files };
}

interface Line {
  readonly command: Command;
  readonly written: Map<string, string | true>;
  /** The option whose value comes next. */
  readonly awaiting: Option | undefined;
  readonly positionals: number;
  /** After `--`. */
  readonly onlyArguments: boolean;
}

function read(program: Command, words: readonly string[]): Line {
  let command = program;
  let awaiting: Option | undefined;
  let isVariadic = false;
  let positionals = 0;
  let onlyArguments = false;
  const written = new Map<string, string | true>();
  for (const word of words) {
    const isFlag = !onlyArguments && word.length > 1 && word.startsWith('-');
    if (awaiting !== undefined && !(isVariadic && isFlag)) {
      written.set(awaiting.attributeName(), word);
      // A variadic option takes what follows, too.
      if (awaiting.variadic) isVariadic = true;
      else awaiting = undefined;
      continue;
    }
    awaiting = undefined;
    isVariadic = false;
    if (word === '--') {
      onlyArguments = true;
    } else if (isFlag) {
      const [flag = '', value] = splitFlag(word);
      const option = findOption(command, flag);
      if (option === undefined) continue;
      if (value !== undefined) written.set(option.attributeName(), value);
      else if (takesValue(option)) awaiting = option;
      else written.set(option.attributeName(), true);
    } else {
      const next =
        positionals === 0 ? subcommandsOf(command).find((each) => each.name() === word) : undefined;
      if (next === undefined) positionals += 1;
      else command = next;
    }
  }
  // Of a variadic option that has a value, what comes next is as well a value as an argument.
  return { command, written, awaiting: isVariadic ? undefined : awaiting, positionals, onlyArguments };
}

async function valuesOf(
  of: Option | Argument,
  current: string,
  written: Written,
  listNodes: ListNodes,
): Promise<Completion> {
  if (of.argChoices !== undefined)
    return {
      candidates: startingWith(
        current,
        of.argChoices.map((value) => ({ value })),
      ),
      files: false,
    };
  const placeholder = placeholderOf(of);
  if (/^(file|place)$/.test(placeholder)) return { candidates: [], files: true };
  if (placeholder !== 'node') return nothing;
  const nodes = await listNodes(written);
  return {
    candidates: startingWith(
      current,
      nodes.map((value) => ({ value })),
    ),
    files: false,
  };
}

/** What stands for the value in the help: `--token-file <file>` wants a file. */
function placeholderOf(of: Option | Argument): string {
  const text = 'flags' in of ? (/[<[](.*)[>\]]/.exec(of.flags)?.[1] ?? '') : of.name();
  return text.replace(/\.\.\.$/, '');
}

/** With commander's own `help`. */
function subcommandsOf(command: Command): Command[] {
  return command.createHelp().visibleCommands(command);
}

function commandsOf(command: Command): Candidate[] {
  return subcommandsOf(command).map((each) => ({
    value: each.name(),
    description: each.summary() || each.description(),
  }));
}

function flagsOf(command: Command): Candidate[] {
  return command
    .createHelp()
    .visibleOptions(command)
    .map(({ long, short, description }) => ({ value: long ?? short ?? '', description }));
}

function findOption(command: Command, flag: string): Option | undefined {
  return command.options.find(({ long, short }) => long === flag || short === flag);
}

function takesValue(option: Option): boolean {
  return option.required || option.optional;
}

function variadicOf(registeredArguments: readonly Argument[]): Argument | undefined {
  const last = registeredArguments.at(-1);
  return last?.variadic === true ? last : undefined;
}

function splitFlag(word: string): [string, string | undefined] {
  const at = word.startsWith('--') ? word.indexOf('=') : -1;
  return at < 0 ? [word, undefined] : [word.slice(0, at), word.slice(at + 1)];
}

function startingWith(current: string, candidates: readonly Candidate[]): Candidate[] {
  return candidates.filter(({ value }) => value.startsWith(current));
}
