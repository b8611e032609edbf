// A program on a real terminal, that of tmux: what its screen shows, keys, and another size.

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Rig } from './rig.ts';

const run = promisify(execFile);

export class Terminal {
  private readonly base: readonly string[];
  private readonly environment: NodeJS.ProcessEnv;

  private static opened = 0;

  private constructor(rig: Rig) {
    Terminal.opened += 1;
    this.base = ['-f', '/dev/null', '-S', rig.path(`tmux-${Terminal.opened}`)];
    const { TMUX, NO_COLOR, FAIRLEAD_BROKER, FAIRLEAD_TOKEN, FAIRLEAD_TOKEN_FILE, ...rest } = process.env;
    // Nothing of the machine's own, and no history that a shell would write when it is told to go.
    const own = { HOME: rig.directory, TMPDIR: rig.directory, HISTFILE: '/dev/null' };
    this.environment = { ...rest, ...own, LC_ALL: 'C.UTF-8' };
  }

  /** `command` is a line for sh. */
  static async open(rig: Rig, command: string, columns = 100, rows = 30): Promise<Terminal> {
    const terminal = new Terminal(rig);
    rig.defer(() => terminal.tmux('kill-server').catch(() => {}));
    await terminal.tmux(
      ...[
        'new-session',
        '-d',
        '-s',
        'test',
        '-c',
        rig.directory,
        '-x',
        String(columns),
        '-y',
        String(rows),
        command,
      ],
      ...[';', 'set-option', '-g', 'status', 'off', ';', 'set-option', '-g', 'remain-on-exit', 'on'],
    );
    return terminal;
  }

  /** The lines that it shows, without spaces at their ends. */
  async screen(): Promise<string> {
    return await this.tmux('capture-pane', '-p', '-t', 'test');
  }

  /** The same with the escape sequences of colours. */
  async colours(): Promise<string> {
    return await this.tmux('capture-pane', '-p', '-e', '-t', 'test');
  }

  /** As tmux names keys: `q`, `C-c`, `Down`, `Enter`. */
  async press(...keys: string[]): Promise<void> {
    await this.tmux('send-keys', '-t', 'test', ...keys);
  }

  /** As it is, without names of keys. */
  async type(text: string): Promise<void> {
    await this.tmux('send-keys', '-l', '-t', 'test', text);
  }

  async resize(columns: number, rows: number): Promise<void> {
    await this.tmux('resize-window', '-t', 'test', '-x', String(columns), '-y', String(rows));
  }

  /** True where the program shows the alternate screen, so that what was there before comes back. */
  async isAlternate(): Promise<boolean> {
    return (await this.format('#{alternate_on}')) === '1';
  }

  async cursorIsShown(): Promise<boolean> {
    return (await this.format('#{cursor_flag}')) === '1';
  }

  private async format(wanted: string): Promise<string> {
    return (await this.tmux('display-message', '-p', '-t', 'test', wanted)).trim();
  }

  private async tmux(...args: string[]): Promise<string> {
    const { stdout } = await run('tmux', [...this.base, ...args], { env: this.environment });
    return stdout;
  }
}
