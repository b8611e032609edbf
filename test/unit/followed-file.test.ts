// A file that is followed: every change is seen, and nothing bad takes the place of what was good.

import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { followFile } from '../../src/files/followed-file.ts';
import { FairleadError } from '../../src/protocol/errors.ts';

const undo: (() => unknown)[] = [];
afterEach(() => {
  for (const step of undo.splice(0).reverse()) step();
});

function directory(): string {
  const path = mkdtempSync(join(tmpdir(), 'fairlead-follow-'));
  undo.push(() => rmSync(path, { recursive: true }));
  return path;
}

/** Follows a file of "good …" lines; `next` is what becomes of the next change. */
async function follow(path: string) {
  let tell: ((outcome: string) => void) | undefined;
  const file = await followFile(path, {
    parse(text) {
      if (!text.startsWith('good')) throw new FairleadError('ERR_CONFIG', 'it is not good');
      return text;
    },
    changed: (value) => tell?.(value),
    failed: (_, error) => tell?.(String(error)),
  });
  undo.push(file.close);
  const next = () =>
    new Promise<string>((resolve) => {
      tell = resolve;
    });
  return { file, next };
}

test('a change is read; a malformed, missing or huge file leaves what was good', async () => {
  const path = join(directory(), 'file');
  writeFileSync(path, 'good 1');
  const { file, next } = await follow(path);
  expect(file.value()).toBe('good 1');
  for (const [change, said] of [
    [() => writeFileSync(path, 'bad'), `${path}: it is not good`],
    [() => rmSync(path), 'ENOENT'],
    [() => writeFileSync(path, Buffer.alloc(8 * 1024 * 1024 + 1, 'good')), 'larger than'],
    [() => rmSync(path), 'ENOENT'],
    [() => mkdirSync(path), 'EISDIR'],
  ] as const) {
    const outcome = next();
    change();
    expect(await outcome).toContain(said);
    expect(file.value()).toBe('good 1');
  }
  const outcome = next();
  rmSync(path, { recursive: true });
  expect(await outcome).toContain('ENOENT');
  const good = next();
  writeFileSync(path, 'good 2');
  expect(await good).toBe('good 2');
  expect(file.value()).toBe('good 2');
});

test('a file behind symbolic links is followed, as Kubernetes replaces mounted secrets', async () => {
  const root = directory();
  for (const version of ['v1', 'v2']) {
    mkdirSync(join(root, version));
    writeFileSync(join(root, version, 'token'), `good ${version}`);
  }
  symlinkSync('v1', join(root, '..data'));
  symlinkSync('..data/token', join(root, 'token'));
  const { file, next } = await follow(join(root, 'token'));
  const outcome = next();
  symlinkSync('v2', join(root, '..data_tmp'));
  renameSync(join(root, '..data_tmp'), join(root, '..data'));
  expect(await outcome).toBe('good v2');
  expect(file.value()).toBe('good v2');
});

test('a file that is bad at first is refused, with its name', async () => {
  const path = join(directory(), 'file');
  await expect(follow(path)).rejects.toMatchObject({ code: 'ENOENT', path });
  writeFileSync(path, 'bad');
  await expect(follow(path)).rejects.toMatchObject({
    code: 'ERR_CONFIG',
    message: `${path}: it is not good`,
  });
});
