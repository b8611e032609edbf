// docs/api and the docstrings that it is made of: all that the package exports is in both, and nothing else.

import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';
import { project } from './tarball.ts';

interface Export {
  readonly name: string;
  /** The module that declares it. */
  readonly file: string;
}

function exportsOf(entry: string): Export[] {
  const index = join(project, 'src', entry, 'index.ts');
  const text = readFileSync(index, 'utf8');
  return [...text.matchAll(/^export (?:type )?\{([^}]*)\} from '([^']+)';$/gm)].flatMap(
    ([, names = '', from = '']) =>
      names
        .split(',')
        .map((name) => name.replace(/\btype\b/, '').trim())
        .filter((name) => name !== '')
        .map((name) => ({ name, file: join(dirname(index), from) })),
  );
}

const entries = ['client', 'browser', 'gateway'];

test.each(entries)('everything that fairlead/%s exports has a docstring', (entry) => {
  const found = exportsOf(entry);
  expect(found.length).toBeGreaterThan(5);
  const bare = found.filter(({ name, file }) => {
    const declared = new RegExp(
      `\\*/\\nexport (?:async )?(?:interface|class|type|const|function) ${name}\\b`,
    );
    return !declared.test(readFileSync(file, 'utf8'));
  });
  expect(bare).toEqual([]);
});

test.each(entries)('docs/api/%s.md has all of it: scripts/reference makes it anew', (entry) => {
  const page = readFileSync(join(project, `docs/api/${entry}.md`), 'utf8');
  const headings = [...page.matchAll(/^### (\w+)/gm)].map(([, name]) => name);
  expect(headings.sort()).toEqual(
    exportsOf(entry)
      .map(({ name }) => name)
      .sort(),
  );
});
