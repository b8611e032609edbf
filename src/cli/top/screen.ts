// The terminal as a whole screen: taken over, drawn, and given back however the process ends, short of SIGKILL.

import { emitKeypressEvents } from 'node:readline';
import type { ReadStream, WriteStream } from 'node:tty';
import type { Key } from './view.ts';

// xterm's control sequences (DECSET): 1049 the alternate screen with the cursor saved, 25 the cursor.
const enter = '\u001b[?1049h\u001b[?25l';
const leave = '\u001b[?25h\u001b[?1049l';
const home = '\u001b[H';
const eraseLine = '\u001b[K';
const eraseBelow = '\u001b[J';

export interface ScreenHandler {
  key(key: Key): void;
  /** It has another size, or shows again after it was suspended: draw. */
  resized(): void;
}

export class Screen {
  private readonly input: ReadStream;
  private readonly output: WriteStream;
  private readonly handler: ScreenHandler;
  private isTaken = false;
  private readonly onKey = (_text: string | undefined, key: Key): void => this.handler.key(key);
  private readonly onResize = (): void => this.handler.resized();
  private readonly onExit = (): void => this.giveBack();
  private readonly onContinue = (): void => {
    // Whoever had the terminal meanwhile has left it in a state of his own.
    this.isTaken = false;
    this.input.setRawMode(false);
    this.take();
    this.handler.resized();
  };

  constructor(input: ReadStream, output: WriteStream, handler: ScreenHandler) {
    this.input = input;
    this.output = output;
    this.handler = handler;
  }

  get size(): { readonly columns: number; readonly rows: number } {
    const { columns = 80, rows = 24 } = this.output;
    return { columns, rows };
  }

  open(): void {
    process.on('exit', this.onExit);
    process.on('SIGCONT', this.onContinue);
    this.output.on('resize', this.onResize);
    emitKeypressEvents(this.input);
    this.input.on('keypress', this.onKey);
    this.take();
  }

  /** One write, so that nothing is seen half drawn. */
  draw(lines: readonly string[]): void {
    if (!this.isTaken) return;
    this.output.write(`${home}${lines.map((line) => line + eraseLine).join('\r\n')}${eraseBelow}`);
  }

  /** As Ctrl-Z does with others: stopped until the shell's `fg`. */
  suspend(): void {
    // There is no such thing on Windows.
    if (process.platform === 'win32') return;
    this.giveBack();
    process.kill(process.pid, 'SIGTSTP');
    // Without a shell to wake it the signal has no effect, and nothing says so.
    setImmediate(() => {
      if (!this.isTaken) this.onContinue();
    });
  }

  close(): void {
    this.giveBack();
    this.input.off('keypress', this.onKey);
    this.input.pause();
    this.output.off('resize', this.onResize);
    process.off('SIGCONT', this.onContinue);
    process.off('exit', this.onExit);
  }

  private take(): void {
    if (this.isTaken) return;
    this.isTaken = true;
    this.input.setRawMode(true);
    this.input.resume();
    this.output.write(enter);
  }

  private giveBack(): void {
    if (!this.isTaken) return;
    this.isTaken = false;
    this.output.write(leave);
    try {
      this.input.setRawMode(false);
    } catch {
      // The terminal has gone away: there is nothing to give back.
    }
  }
}
