// The progress line of `fairlead dial`: there for whoever waits for a file, and never in the way of ssh, which gives its
// ProxyCommand the terminal as stderr.

import { readFileSync, writeFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { showsProgress } from '../../src/cli/progress.ts';
import { Network, Rig } from '../rig/rig.ts';
import { startSshd } from '../rig/sshd.ts';
import { listen } from '../rig/targets.ts';
import { Terminal } from '../rig/terminal.ts';

const rig = new Rig();
let network: Network;
let terminal: Terminal;

beforeAll(async () => {
  network = await Network.start(rig);
  writeFileSync(rig.path('big'), Buffer.alloc(4 * 1024 * 1024, 'x'));
  terminal = await Terminal.open(rig, "env PS1='$ ' sh -i", 120, 12);
});
afterAll(() => rig[Symbol.asyncDispose]());

const shows = (pattern: RegExp) =>
  expect.poll(() => terminal.screen(), { timeout: 20_000, interval: 50 }).toMatch(pattern);

/** Screens of one command until it has ended: what stood there for a moment, too. */
async function screensOf(name: string, command: string): Promise<string> {
  // Of what was there before, nothing counts.
  await terminal.press('clear', 'Enter');
  await shows(/^\$\s*$/);
  await terminal.press(`${command}; echo ${name} ended $?`, 'Enter');
  let all = '';
  for (;;) {
    const screen = await terminal.screen();
    all += screen;
    if (new RegExp(`^${name} ended \\d+$`, 'm').test(screen)) return all;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

function dial(target: string | number, ...flags: string[]): string {
  const where = typeof target === 'number' ? `127.0.0.1:${target}` : target;
  return [rig.fairleadPath, 'dial', ...network.access(), ...flags, 'edge-1', where].join(' ');
}

test('a long transfer of a file says how far it is, and leaves the terminal as it was', async () => {
  let go = (): void => {};
  const port = await listen(rig, (socket) => {
    socket.pause();
    go = () => {
      socket.resume();
      socket.end('thank you\n');
    };
  });
  await terminal.press(`clear; ${dial(port)} < big > out; echo ended $?`, 'Enter');
  await shows(/^sent [\d.]+ [KM]iB of 4.00 MiB \(\d+%\), received 0 B, [\d.]+ \w+\/s, \d+s$/m);
  go();
  await shows(/^ended 0$/m);
  expect(await terminal.screen()).not.toMatch(/sent/);
  expect(readFileSync(rig.path('out'), 'utf8')).toBe('thank you\n');

  // Whoever gives up finds the terminal as it was, too.
  await terminal.press(`clear; ${dial(port)} < big > out`, 'Enter');
  await shows(/^sent .* of 4.00 MiB/m);
  await terminal.press('C-c');
  await expect.poll(() => terminal.screen()).not.toMatch(/sent/);
});

test('ssh and scp through dial have the terminal for themselves', async () => {
  const sshd = await startSshd(rig);
  const through = (...flags: string[]) =>
    [...sshd.options, '-o', `"ProxyCommand=${dial(sshd.port, ...flags)}"`].join(' ');
  const command = '"echo hello; sleep 1.7; echo bye"';
  const clean = await screensOf('clean', `ssh -tt ${through()} ${sshd.user}@node ${command}`);
  expect(clean).toMatch(/^hello\n(.*\n)?bye\n/m);
  expect(clean).not.toMatch(/sent/);
  // It would be seen: this is what it looks like for whoever asks for it.
  expect(await screensOf('shown', `ssh -tt ${through('--progress')} ${sshd.user}@node ${command}`)).toMatch(
    /sent .*received/,
  );

  const scp = await screensOf('scp', `scp -l 16000 ${through()} ${sshd.user}@node:${rig.path('big')} back`);
  expect(scp).toMatch(/big +100%/);
  expect(scp).not.toMatch(/sent/);
});

test('progress is for files, and for terminals to read', () => {
  const terminalEverywhere = { stdin: 'terminal', stdout: 'terminal', stderr: 'terminal' } as const;
  const ends = (more: Partial<Record<'stdin' | 'stdout' | 'stderr', 'terminal' | 'file' | 'other'>>) => ({
    ...terminalEverywhere,
    ...more,
  });
  expect(showsProgress(ends({ stdout: 'file' }), undefined)).toBe(true);
  expect(showsProgress(ends({ stdin: 'file', stdout: 'other' }), undefined)).toBe(true);
  expect(showsProgress(ends({ stdin: 'file' }), undefined)).toBe(false);
  expect(showsProgress(ends({ stdin: 'other', stdout: 'other' }), undefined)).toBe(false);
  expect(showsProgress(ends({ stdin: 'other', stdout: 'other' }), true)).toBe(true);
  expect(showsProgress(ends({ stdout: 'file', stderr: 'file' }), true)).toBe(false);
  expect(showsProgress(ends({ stdout: 'file' }), false)).toBe(false);
});
