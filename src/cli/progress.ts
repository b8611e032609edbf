// The line that says on stderr how a long transfer goes: a terminal's last line, written over and over, and gone at the
// end. Must never show where somebody else has the terminal: ssh gives its ProxyCommand its own as stderr.

import { fstatSync } from 'node:fs';
import { isatty } from 'node:tty';
import { formatSpan } from './age.ts';
import { formatBytes } from './bytes.ts';
import { clipped } from './table.ts';

/** What a file descriptor is, as far as it matters. */
type Kind = 'terminal' | 'file' | 'other';

export interface Ends {
  readonly stdin: Kind;
  readonly stdout: Kind;
  readonly stderr: Kind;
}

/** Transfers that are over by then show nothing, in ms. */
const firstMs = 1000;
const everyMs = 500;

export function endsOfProcess(): Ends {
  return { stdin: kindOf(0), stdout: kindOf(1), stderr: kindOf(2) };
}

/**
 * Whether to show it where nobody has said so: where a regular file is read or written, which is what a person does who
 * waits for it. ssh, rsync and the like talk to their helper through pipes and sockets, and have the terminal for
 * themselves. `isWanted` overrides that, but never writes to what is no terminal.
 */
export function showsProgress({ stdin, stdout, stderr }: Ends, isWanted: boolean | undefined): boolean {
  if (stderr !== 'terminal' || isWanted === false) return false;
  if (isWanted === true) return true;
  // What is shown on a terminal would be torn apart.
  return stdout === 'file' || (stdin === 'file' && stdout !== 'terminal');
}

export interface Transfer {
  /** Bytes so far, to the target. */
  up(): number;
  /** From the target. */
  down(): number;
  /** Bytes that there are to send, where that is known. */
  readonly size?: number | undefined;
}

/** Shows it from now on; answers how to end that, which leaves the terminal as it was. */
export function startProgress(transfer: Transfer, output: NodeJS.WriteStream): () => void {
  const sinceMs = performance.now();
  let last = { atMs: sinceMs, bytes: 0 };
  let isShown = false;
  let timer: NodeJS.Timeout;
  const tick = (): void => {
    const now = performance.now();
    const bytes = transfer.up() + transfer.down();
    const perSecond = ((bytes - last.bytes) * 1000) / Math.max(1, now - last.atMs);
    last = { atMs: now, bytes };
    isShown = true;
    const line = progressLine(transfer, perSecond, (now - sinceMs) / 1000);
    output.write(`\r${clipped(line, (output.columns ?? 80) - 1)}\u001b[K`);
    timer = setTimeout(tick, everyMs).unref();
  };
  timer = setTimeout(tick, firstMs).unref();
  const end = (): void => {
    clearTimeout(timer);
    process.off('exit', end);
    if (isShown) output.write('\r\u001b[K');
    isShown = false;
  };
  // A signal ends the process before the transfer has.
  process.on('exit', end);
  return end;
}

function progressLine({ up, down, size }: Transfer, perSecond: number, seconds: number): string {
  const sent = up();
  const whole =
    size === undefined || size === 0
      ? ''
      : ` of ${formatBytes(size)} (${Math.min(100, Math.floor((sent / size) * 100))}%)`;
  return `sent ${formatBytes(sent)}${whole}, received ${formatBytes(down())}, ${formatBytes(perSecond)}/s, ${formatSpan(seconds)}`;
}

/** Bytes of a regular file; undefined for anything else. */
export function sizeOf(fd: number): number | undefined {
  const status = fstatSync(fd);
  return status.isFile() ? status.size : undefined;
}

function kindOf(fd: number): Kind {
  if (isatty(fd)) return 'terminal';
  try {
    return fstatSync(fd).isFile() ? 'file' : 'other';
  } catch {
    // Closed by whoever started us.
    return 'other';
  }
}
