// The command line's entry: which command it is, and what shells ask when somebody presses Tab.

import { buildProgram } from './commands.ts';
import { newProgram, run } from './run.ts';

const args = process.argv.slice(2);

if (args[0] === '__complete') {
  // For shells, never for people: it is in no list of commands, and its words are not flags of ours.
  const { printCandidates, wordsOf } = await import('./completion.ts');
  const words = wordsOf(args.slice(1));
  const asked = newProgram('fairlead').allowUnknownOption().allowExcessArguments();
  asked.action(async () => await printCandidates(await buildProgram(words.slice(0, 2)), words));
  await run(asked, ['__complete'], 'fairlead --help');
}

// `fairlead help dial` names one, too.
const program = await buildProgram(args.slice(0, 2));
const command = program.commands.find((candidate) => args[0] === candidate.name());
await run(program, args, `fairlead${command === undefined ? '' : ` ${command.name()}`} --help`);
