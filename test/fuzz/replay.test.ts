// The corpus of every fuzz target, and every input that once broke a promise, run again: none breaks one now.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Fuzz } from './target.ts';

const here = import.meta.dirname;
const targets = readdirSync(join(here, 'targets')).map((file) => file.replace(/\.ts$/, ''));

function inputs(kind: 'corpus' | 'crashes', target: string): string[] {
  const directory = join(here, kind, target);
  return existsSync(directory) ? readdirSync(directory).map((name) => join(directory, name)) : [];
}

async function load(target: string): Promise<Fuzz> {
  const { fuzz } = (await import(`./targets/${target}.ts`)) as { fuzz: Fuzz };
  return fuzz;
}

describe.each(targets)('%s', (target) => {
  test('has a corpus, and no input of it breaks a promise', async () => {
    const fuzz = await load(target);
    const files = inputs('corpus', target);
    expect(files.length).toBeGreaterThan(3);
    for (const file of files) await fuzz(readFileSync(file));
  });

  test('stays mended where it once broke', async () => {
    const fuzz = await load(target);
    for (const file of inputs('crashes', target)) await fuzz(readFileSync(file));
  });

  test('takes what is empty, and what is long', async () => {
    const fuzz = await load(target);
    for (const byte of [0, 1, 2, 0x5b, 0xff])
      for (const length of [0, 1, 4096]) await fuzz(Buffer.alloc(length, byte));
  });
});

test('every folder of inputs belongs to a target', () => {
  for (const kind of ['corpus', 'crashes'] as const)
    if (existsSync(join(here, kind)))
      for (const name of readdirSync(join(here, kind))) expect(targets).toContain(name);
});
