// A command whose flags may stand in a file, too: what the command line does not say is taken from there, before it is
// asked whether all is there that must be.

import { Command, type ParseOptionsResult } from 'commander';

/** Sets what a file says, as far as the command line has not said it. */
export type Configure = (command: Command) => void;

export class ConfiguredCommand extends Command {
  /** At the root: the reader of config files, loaded where there may be one. */
  configure: Configure | undefined;

  override createCommand(name?: string): ConfiguredCommand {
    return new ConfiguredCommand(name);
  }

  override parseOptions(argv: string[]): ParseOptionsResult {
    const result = super.parseOptions(argv);
    let root: Command = this;
    while (root.parent !== null) root = root.parent;
    if (root instanceof ConfiguredCommand) root.configure?.(this);
    return result;
  }
}
