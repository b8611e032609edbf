// `fairlead completion`: prints what makes a shell complete the commands; and `fairlead __complete`, which the shells
// ask. The latter must never fail aloud, nor keep anybody waiting.

import { Argument, type Command } from 'commander';
import { type BrokerClient, connect } from '../client/index.ts';
import { complete, type Written } from './completion/candidates.ts';
import { completionScripts } from './completion/scripts.ts';
import { type BrokerOptions, brokerAccess } from './credentials.ts';
import { createLog } from './log.ts';
import { print } from './print.ts';

/** How long a broker may take to name the nodes, in ms: somebody waits with a finger on the key. */
const nodesTimeoutMs = 1000;
/** Node names are from a stranger: as the command line takes them, and no more than a shell can show. */
const nodeName = /^[a-z0-9][a-z0-9._-]{0,252}$/;
const maxNodes = 2000;

export function addCompletionCommand(program: Command): void {
  program
    .command('completion')
    .description(
      'Prints a script that completes commands, flags, files and, by asking the broker, the names of nodes.',
    )
    .addArgument(new Argument('<shell>', 'for which shell').choices(Object.keys(completionScripts)))
    .addHelpText(
      'after',
      [
        '',
        'Node names come from the broker that the line names, or FAIRLEAD_BROKER; without one, or without an answer',
        'within a second, there are none.',
        '',
        'Examples:',
        '  source <(fairlead completion bash)',
        '  fairlead completion zsh > ~/.zsh/completions/_fairlead',
        '  fairlead completion fish > ~/.config/fish/completions/fairlead.fish',
      ].join('\n'),
    )
    .action((shell: keyof typeof completionScripts) => print(completionScripts[shell]));
}

/** The words of a line as `__complete` is given them, the last one being typed. */
export function wordsOf(args: readonly string[]): string[] {
  return args[0] === '--quoted' ? args.slice(1).map(unquoted) : [...args];
}

/** Prints what may stand at the end of `words`; see completion/scripts.ts for the form. */
export async function printCandidates(program: Command, words: readonly string[]): Promise<void> {
  try {
    const { candidates, files } = await complete(program, words, listNodes);
    const lines = candidates.map(({ value, description }) =>
      description === undefined ? value : `${value}\t${firstSentence(description)}`,
    );
    print(`${[...lines, files ? ':files' : ':'].join('\n')}\n`);
  } catch {
    // Whoever types is not to be disturbed: then there are no candidates.
  }
}

async function listNodes(written: Written): Promise<readonly string[]> {
  const options: BrokerOptions = Object.fromEntries(
    [...written].map(([name, value]) => [name, value === true ? true : atHome(value)]),
  );
  let broker: BrokerClient | undefined;
  try {
    const access = await brokerAccess(options, await createLog({ logLevel: 'silent' }));
    broker = connect({ ...access, dialTimeoutMs: nodesTimeoutMs });
    const nodes = await broker.nodes();
    return nodes
      .map(({ node }) => node)
      .filter((name) => nodeName.test(name))
      .slice(0, maxNodes);
  } catch {
    return [];
  } finally {
    await broker?.close();
  }
}

/** A word of a shell without its quotes; nothing is put in for what begins with `$`. */
function unquoted(word: string): string {
  return word.replace(
    /\\(.)|'([^']*)'?|"((?:[^"\\]|\\.)*)"?/gs,
    (_, escaped, single, double) => escaped ?? single ?? (double ?? '').replace(/\\(["\\$`])/g, '$1'),
  );
}

/** A shell puts the home directory in only after it has completed the line. */
function atHome(path: string): string {
  const { HOME } = process.env;
  return path.startsWith('~/') && HOME !== undefined ? `${HOME}${path.slice(1)}` : path;
}

function firstSentence(description: string): string {
  return (description.split(/[\t\n]|: |; /, 1)[0] ?? '').slice(0, 80);
}
