// Every command of README, docs, examples and deploy is run, or the page says why it cannot be and it is looked at.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Block, readPage } from './page.ts';
import { allReasons, unreasonable } from './reasons.ts';
import { type Outcome, runPage, timeLimitMs } from './world.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const listed = execFileSync('git', ['ls-files', '--', '*.md'], { cwd: project, encoding: 'utf8' });
const names = listed.split('\n').filter((name) => /^(README|docs\/|examples\/|deploy\/)/.test(name));
const pages = names.map((name) => ({ name, page: readPage(readFileSync(`${project}/${name}`, 'utf8')) }));

/** As a pattern: `…` is any part of a line. */
function printed(expected: string): RegExp {
  const parts = expected.trimEnd().split('…');
  const pattern = parts.map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^\\n]*');
  return new RegExp(`^${pattern}$`);
}

function titled(blocks: readonly Block[]): (readonly [string, Block])[] {
  return blocks.map((block) => [`line ${block.line}: ${block.commands.split('\n')[0]}`, block] as const);
}

describe.each(pages.filter(({ page }) => page.blocks.length > 0))('$name', ({ name, page }) => {
  const run = page.blocks.filter(({ treatment }) => treatment.kind === 'run');
  let outcomes: ReadonlyMap<Block, Outcome>;
  beforeAll(async () => {
    outcomes = await runPage(page);
  }, timeLimitMs + 10_000);

  test.each(titled(run))('%s', (_, block) => {
    const { isDone, stdout, stderr } = outcomes.get(block) ?? { isDone: false, stdout: '', stderr: '' };
    if (!isDone) throw new Error(`it failed:\n${block.commands}\n${stdout}${stderr}`);
    if (block.expected !== undefined) expect(stdout.trimEnd(), stderr).toMatch(printed(block.expected));
  });

  const others = page.blocks.filter(({ treatment }) => treatment.kind !== 'run');
  test.each(titled(others))('%s', (_, { commands, treatment }) => {
    if (treatment.kind === 'checked') expect(unreasonable(treatment.reason, commands)).toEqual([]);
    if (treatment.kind === 'run-by') {
      const test = `${project}/${treatment.test}`;
      expect(existsSync(test), treatment.test).toBe(true);
      expect(readFileSync(test, 'utf8')).toContain(name);
    }
  });
});

test('most commands are run, and each reason not to is used', () => {
  const treatments = pages.flatMap(({ page }) => page.blocks.map(({ treatment }) => treatment));
  const checked = treatments.flatMap((it) => (it.kind === 'checked' ? [it.reason] : []));
  expect(new Set(checked)).toEqual(new Set(allReasons));
  expect(checked.length).toBeLessThan(treatments.length / 5);
});
