// The promise about each page: every command in it is run, or the page says why it cannot be and it is looked at.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Block, type Page, readPage } from './page.ts';
import { unreasonable } from './reasons.ts';
import { type Outcome, runPage, timeLimitMs } from './world.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));

export interface NamedPage {
  readonly name: string;
  readonly page: Page;
}

/** Name and text of the pages under version control whose names fit. */
export function markdownFiles(pattern: RegExp): [name: string, text: string][] {
  const listed = execFileSync('git', ['ls-files', '--', '*.md'], { cwd: project, encoding: 'utf8' });
  const names = listed.split('\n').filter((name) => pattern.test(name));
  return names.map((name) => [name, readText(name)]);
}

export function pagesOf(pattern: RegExp): NamedPage[] {
  return markdownFiles(pattern).map(([name, text]) => {
    try {
      return { name, page: readPage(text) };
    } catch (cause) {
      throw new Error(`${name}: ${(cause as Error).message}`, { cause });
    }
  });
}

export function testPages(pages: readonly NamedPage[]): void {
  describe.each(pages.filter(({ page }) => page.blocks.length > 0))('$name', ({ name, page }) => {
    const run = page.blocks.filter(({ treatment }) => treatment.kind === 'run');
    let outcomes: ReadonlyMap<Block, Outcome>;
    beforeAll(async () => {
      outcomes = await runPage(page);
    }, timeLimitMs + 10_000);

    test.each(titled(run))('%s', (_, block) => {
      const { isDone, stdout, stderr } = outcomes.get(block) ?? { isDone: false, stdout: '', stderr: '' };
      if (!isDone) throw new Error(`it failed:\n${block.commands}\n${stdout}${stderr}`);
      // What fails tells it on stderr.
      const shown = block.exits === 0 ? stdout : stdout + stderr;
      if (block.expected !== undefined) expect(shown.trimEnd(), stderr).toMatch(printed(block.expected));
    });

    const others = page.blocks.filter(({ treatment }) => treatment.kind !== 'run');
    test.each(titled(others))('%s', (_, { commands, treatment }) => {
      if (treatment.kind === 'checked') expect(unreasonable(treatment.reason, commands)).toEqual([]);
      if (treatment.kind === 'run-by') {
        expect(existsSync(`${project}/${treatment.by}`), treatment.by).toBe(true);
        const by = readText(treatment.by);
        // Another page has the same commands; a test reads this page.
        for (const text of treatment.by.endsWith('.md') ? commands.split('\n') : [name])
          expect(by).toContain(text);
      }
    });
  });
}

function readText(name: string): string {
  return readFileSync(`${project}/${name}`, 'utf8');
}

/** As a pattern: `…` is any part of a line. */
function printed(expected: string): RegExp {
  const parts = expected.trimEnd().split('…');
  const pattern = parts.map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('[^\\n]*');
  return new RegExp(`^${pattern}$`);
}

function titled(blocks: readonly Block[]): (readonly [string, Block])[] {
  return blocks.map((block) => [`line ${block.line}: ${block.commands.split('\n')[0]}`, block] as const);
}
