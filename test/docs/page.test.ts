// What is read out of a page, and what nobody could treat.

import { expect, test } from 'vitest';
import { readPage } from './page.ts';
import { unreasonable } from './reasons.ts';

function page(...lines: string[]) {
  return readPage(lines.join('\n'));
}

test('indented and fenced commands are run unless the page says otherwise, each in its section', () => {
  const { blocks } = page(
    '## One',
    '',
    '    first',
    '',
    'Words.',
    '',
    '```sh',
    'second',
    '```',
    '## Two',
    '',
    '    third',
  );
  expect(blocks.map(({ commands, section, treatment }) => [commands, section, treatment.kind])).toEqual([
    ['first', 1, 'run'],
    ['second', 1, 'run'],
    ['third', 10, 'run'],
  ]);
});

test('commands in lists and behind prompts are found, too', () => {
  const { blocks } = page('1. Make one:', '', '       node$ fairlead keys', '       desk$ fairlead nodes');
  expect(blocks.map(({ commands }) => commands)).toEqual(['fairlead keys\nfairlead nodes']);
});

test('text right after commands is what they print; elsewhere it is text', () => {
  const text = ['```text', 'out', '```', ''];
  const { blocks } = page(
    '    one',
    '',
    ...text,
    'Words.',
    '',
    ...text,
    '    two',
    '',
    'Words.',
    '',
    ...text,
  );
  expect(blocks.map(({ expected }) => expected)).toEqual(['out', undefined]);
});

test('a comment is about the next commands only', () => {
  const { blocks } = page(
    '<!-- exits: 1 -->',
    '<!-- at: web-1 -->',
    '',
    '    one',
    '',
    'Words.',
    '',
    '    two',
  );
  expect(blocks.map(({ exits, at }) => [exits, at])).toEqual([
    [1, 'web-1'],
    [0, undefined],
  ]);
});

test('what stands behind a page, what its words mean here, and files that are saved', () => {
  const { behind, here, files, blocks } = page(
    ...[
      '<!-- behind: tokens, broker 8080 -->',
      '<!-- behind: sshd -->',
      '<!-- here: A… is $(tell a) -->',
      '',
    ],
    ...['<!-- saved as: auth.json -->', '', '```json', '{}', '```'],
  );
  expect([behind, [...here], [...files], blocks]).toEqual([
    ['tokens', 'broker 8080', 'sshd'],
    [['A…', '$(tell a)']],
    [['auth.json', '{}']],
    [],
  ]);
});

test.each([
  ['a fence without a language', ['```', 'ls', '```'], 'line 1'],
  ['a language that nobody knows', ['', '```bash', 'ls', '```'], 'line 2'],
  ['a reason that is none', ['<!-- not run: tedious -->', '', '    ls'], '"tedious" is no reason'],
  ['a comment before nothing', ['    ls', '', '<!-- exits: 1 -->'], 'does not come'],
])('%s fails the page', (_, lines, message) => {
  expect(() => page(...lines)).toThrow(message);
});

test('a reason covers the commands that it is about, and no others', () => {
  expect(unreasonable('registry', 'npm ci   # builds, too\n# a remark\n')).toEqual([]);
  expect(unreasonable('registry', 'npm ci\nfairlead nodes')).toEqual(['fairlead nodes']);
  expect(unreasonable('minutes', 'npm run nothing')).toEqual(['npm run nothing']);
  expect(unreasonable('minutes', 'npx vitest run test/unit/gone.test.ts')).toHaveLength(1);
});
