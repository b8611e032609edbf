// The entry of the single-file executable: `fairlead-agent FLAGS` is `fairlead agent FLAGS`, on a machine without Node.

import { addAgentCommand } from './agent.ts';
import { newProgram, run } from './run.ts';
import { version } from './version.ts';

const name = 'fairlead-agent';

const program = newProgram('fairlead');
addAgentCommand(program);
for (const agent of program.commands) {
  // The texts are those of the command of which this is all.
  const write = (text: string) => process.stdout.write(text.replaceAll('fairlead agent', name));
  agent.version(version).configureOutput({ writeOut: write });
}

// No top-level await: what an executable holds is CommonJS.
void run(program, ['agent', ...process.argv.slice(2)], `${name} --help`);
