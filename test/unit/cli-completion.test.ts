// What may stand at the end of a line, from the real tree of commands.

import { describe, expect, test } from 'vitest';
import { buildProgram, commands } from '../../src/cli/commands.ts';
import { complete } from '../../src/cli/completion/candidates.ts';
import { wordsOf } from '../../src/cli/completion.ts';

const program = await buildProgram(Object.keys(commands));
const nodes = ['edge-1', 'edge-2', 'hub'];

async function candidates(...words: string[]): Promise<string[]> {
  const { candidates: found, files } = await complete(program, words, async () => nodes);
  return [...found.map(({ value }) => value), ...(files ? [':files'] : [])];
}

describe('the end of a line', () => {
  test.each<[string[], string[]]>([
    [['pi'], ['ping']],
    [['token', 'in'], ['inspect']],
    [['help', 'com'], ['completion']],
    [['dial', '--log-level', 'wa'], ['warn']],
    [['dial', '--log-level=wa'], ['warn']],
    [['dial', '--token-file', ''], [':files']],
    [['dial', '--token-file='], [':files']],
    [['dial', '--tok'], ['--token-file']],
    [
      ['dial', 'ed'],
      ['edge-1', 'edge-2'],
    ],
    [['dial', '--insecure', '--broker', 'wss://b', 'h'], ['hub']],
    [['dial', 'edge-1', ''], []],
    [['dial', '--', 'h'], ['hub']],
    [['dial', '--', '-'], []],
    [['ping', '-c', '3', 'h'], ['hub']],
    // The value of a flag that takes none of these.
    [['dial', '--broker', ''], []],
    [['token', 'inspect', ''], [':files']],
    [
      ['completion', ''],
      ['bash', 'zsh', 'fish'],
    ],
    [['nonsense', ''], []],
    [['dial', '--nonsense=', ''], nodes],
  ])('%j', async (words, expected) => {
    expect(await candidates(...words)).toEqual(expected);
  });
});

test('after a value of a flag that takes many, another one or a flag may follow', async () => {
  expect(await candidates('agent', '--allow', '127.0.0.1:22', '--nod')).toEqual(['--node']);
});

test('the broker is asked with what the line says, and only where a node is to be written', async () => {
  const asked: (string | true | undefined)[] = [];
  const ask = (...words: string[]) =>
    complete(program, words, async (written) => {
      asked.push(written.get('tokenFile'), written.get('insecure'));
      return [];
    });
  await ask('dial', '--token-file', 'mine', '--insecure', '');
  await ask('dial', '--');
  await ask('dial', '');
  expect(asked).toEqual(['mine', true, undefined, undefined]);
});

test('words as they were typed lose their quotes, and nothing in them is run', () => {
  expect(wordsOf(['--quoted', 'a\\ b', "'c d'", '"e \\"f\\""', '$(touch x)', "'open"])).toEqual([
    ...['a b', 'c d', 'e "f"', '$(touch x)', 'open'],
  ]);
  expect(wordsOf(['a\\ b'])).toEqual(['a\\ b']);
});
