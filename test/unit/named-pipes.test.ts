// Named pipes, which Windows has in the place of UNIX sockets: taken there, refused with words elsewhere.

import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { AllowList } from '../../src/agent/allow.ts';
import { OwnerRules } from '../../src/agent/owner-rules.ts';
import { parseForward, parseSocketListen, parseTarget } from '../../src/cli/address.ts';
import { parseDial } from '../../src/client/connect-options.ts';
import { isPipePath } from '../../src/link/socket-path.ts';
import { listenAtPath } from '../../src/link/unix-socket.ts';

const pipe = String.raw`\\.\pipe\docker_engine`;

test.each([
  String.raw`\\server\pipe\name`,
  String.raw`\\.\pipe\a\b`,
  String.raw`\\.\pipe\..`,
  String.raw`\\.\pipe\name.`,
  String.raw`\\.\pipe\a/../b`,
  String.raw`\\.\pipe\a:b`,
  String.raw`\\.\pipe\*`,
  String.raw`\\.\pipe\ `.trimEnd(),
  String.raw`\\.\C:\file`,
  String.raw`\\?\pipe\name`,
  `\\\\.\\pipe\\${'x'.repeat(201)}`,
])('%s is no pipe of this machine', (path) => {
  expect(isPipePath(path)).toBe(false);
  expect(() => parseSocketListen(`unix:${path}`, 'win32')).toThrow('Windows has named pipes');
  expect(() => parseTarget(`unix:${path}`)).toThrow('for a node with Windows');
});

test('a pipe is a target from anywhere', () => {
  const target = { host: `unix:${pipe}`, port: 1 };
  expect(parseTarget(`unix:${pipe}`)).toEqual(target);
  expect(parseForward(`2375:edge-1:unix:${pipe}`).target).toEqual(target);
  expect(parseDial({ node: 'edge-1', path: pipe })).toMatchObject(target);
  expect(new AllowList([`unix:${pipe}`]).allowsSocket(pipe)).toBe(true);
  const any = new AllowList([String.raw`unix:\\.\pipe\docker*`]);
  expect(any.allowsSocket(pipe)).toBe(true);
  expect(any.allowsSocket(String.raw`\\.\pipe\podman`)).toBe(false);
  expect(new AllowList(['*:*']).allowsSocket(pipe)).toBe(false);
});

test.each(['linux', 'darwin'] as const)('on %s a pipe is no rule and cannot be listened at', (platform) => {
  for (const rule of [`unix:${pipe}`, String.raw`unix:\\.\pipe\docker*`])
    expect(() => new OwnerRules([rule], platform)).toThrow('only Windows has named pipes');
  expect(() => parseSocketListen(`unix:${pipe}`, platform)).toThrow('only Windows has named pipes');
  expect(() => new OwnerRules(['unix:/run/docker.sock'], platform)).not.toThrow();
});

test('on Windows pipes take the place of UNIX sockets', () => {
  for (const rule of [`unix:${pipe}`, String.raw`unix:\\.\pipe\docker*`])
    expect(() => new OwnerRules([rule], 'win32')).not.toThrow();
  for (const rule of ['unix:/run/docker.sock', 'unix:/run/*'])
    expect(() => new OwnerRules([rule], 'win32')).toThrow('Windows has named pipes');
  expect(parseSocketListen(`unix:${pipe}`, 'win32')).toEqual({ path: pipe });
  expect(() => parseSocketListen('unix:docker.sock', 'win32')).toThrow('Windows has named pipes');
});

test('a pipe is listened at as it is, and one that is served is said to be', async () => {
  const [before, directory] = [process.cwd(), mkdtempSync(join(tmpdir(), 'fairlead-pipe-'))];
  const [server, second] = [createServer(), createServer()];
  // Elsewhere than on Windows its name is that of a file, relative to where we are.
  process.chdir(directory);
  try {
    await listenAtPath(server, { path: pipe, mode: 0o600 }, 10);
    await expect(listenAtPath(second, { path: pipe, mode: 0o600 }, 10)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringContaining('another process serves it'),
    });
  } finally {
    await new Promise((done) => server.close(done));
    process.chdir(before);
    rmSync(directory, { recursive: true });
  }
});
