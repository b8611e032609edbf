// docs/security.md names the tests that show what it says: each of them is there, and each opponent has all that the
// threat model asks for.

import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const text = readFileSync(`${root}docs/security.md`, 'utf8');
const section = (heading: string) => text.split(`${heading}\n`)[1]?.split(/^#+ /m)[0] ?? '';
const rowsOf = (table: string) =>
  table
    .split('\n')
    .filter((line) => line.startsWith('| ') && !line.startsWith('| ---'))
    .slice(1)
    .map((line) =>
      line
        .split('|')
        .slice(1, -1)
        .map((cell) => cell.trim()),
    );

test('every test and folder that the document names exists', () => {
  const named = new Set([...text.matchAll(/`(test\/[^`*]+)`/g)].map(([, path]) => path ?? ''));
  expect(named.size).toBeGreaterThan(30);
  // Kept when something is found: until then there is nothing in it, and git keeps no empty folder.
  named.delete('test/fuzz/crashes/');
  for (const path of named)
    expect({ path, exists: existsSync(`${root}${path}`) }).toEqual({ path, exists: true });
});

test('each opponent has what is prevented, detected and left, and tests that show it', () => {
  const rows = rowsOf(section('## Threats'));
  expect(rows.map(([who]) => who)).toEqual([
    ...['malicious dialer', 'malicious or stolen agent', 'compromised broker'],
    ...['network attacker', 'malicious target', 'neighbour tenant'],
  ]);
  for (const [who, ...cells] of rows) {
    expect([who, cells.length]).toEqual([who, 5]);
    for (const cell of cells) expect(cell.length).toBeGreaterThan(10);
    expect(cells.at(-1)?.match(/`test\/[^`]+\.test\.ts`/g)?.length ?? 0).toBeGreaterThan(1);
  }
});

test('the table of fuzz targets has each target that there is', () => {
  const named = rowsOf(section('### Bad input')).map(([target]) => target?.replaceAll('`', ''));
  const targets = readdirSync(`${root}test/fuzz/targets`).map((file) => file.replace(/\.ts$/, ''));
  expect(named.sort()).toEqual(targets.sort());
});
