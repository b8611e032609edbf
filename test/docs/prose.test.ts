// Commands that are named inside of sentences and tables: they and their flags are there. Fences of data can be read.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Command } from 'commander';
import type { Nodes } from 'mdast';
import { fromMarkdown } from 'mdast-util-from-markdown';
import { beforeAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import { markdownFiles } from './suite.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const { scripts } = JSON.parse(readFileSync(`${project}/package.json`, 'utf8')) as { scripts: object };

/** All nodes of a kind, with where they are. */
function found<Kind extends Nodes['type']>(
  kind: Kind,
): [where: string, node: Extract<Nodes, { type: Kind }>][] {
  return markdownFiles(/^(README|docs\/|examples\/|deploy\/)/).flatMap(([name, text]) => {
    const all: [string, Extract<Nodes, { type: Kind }>][] = [];
    const visit = (node: Nodes): void => {
      if (node.type === kind)
        all.push([`${name}:${node.position?.start.line}`, node as Extract<Nodes, { type: Kind }>]);
      if ('children' in node) for (const child of node.children) visit(child);
    };
    visit(fromMarkdown(text));
    return all;
  });
}

const program = new Command('fairlead');

beforeAll(async () => {
  const folder = `${project}/src/cli`;
  for (const file of readdirSync(folder).filter((name) => name.endsWith('.ts'))) {
    // Others may be programs, which begin to run when they are loaded.
    if (!/^export function add\w+Command\b/m.test(readFileSync(`${folder}/${file}`, 'utf8'))) continue;
    const module = (await import(/* @vite-ignore */ `${folder}/${file}`)) as Record<string, unknown>;
    for (const [name, add] of Object.entries(module))
      if (/^add\w+Command$/.test(name) && typeof add === 'function') add(program);
  }
});

/** What is wrong with a command in prose, or undefined. Words in capitals and `…` stand for anything. */
function faultOf(words: readonly string[]): string | undefined {
  let command = program;
  for (const word of words) {
    if (!word.startsWith('-')) {
      command = command.commands.find((child) => child.name() === word) ?? command;
      if (command === program && /^[a-z]+$/.test(word)) return `there is no command "${word}"`;
    }
    const [flag = ''] = word.split(/[=\]]/);
    const isGlobal = flag === '--help' || (command === program && flag === '--version');
    if (flag.startsWith('--') && !isGlobal && !command.options.some(({ long }) => long === flag))
      return `"${command.name()}" has no ${flag}`;
  }
  return undefined;
}

test('commands named in prose are there, with their flags', () => {
  const names = program.commands.map((command) => command.name());
  expect(names.length).toBeGreaterThan(8);
  const faults = found('inlineCode').flatMap(([where, { value }]) => {
    const words = value.split(/[\s[\]|()]+/);
    const isNamed = /^(bin\/)?fairlead$/.test(words[0] ?? '') && words.length > 1;
    // `agent --allow`, where it is clear whose command that is.
    const isShort = names.includes(words[0] ?? '') && words.some((word) => word.startsWith('--'));
    const script = /^npm run ([\w:-]+)/.exec(value)?.[1];
    if (script !== undefined && !Object.hasOwn(scripts, script)) return [`${where}: no script "${script}"`];
    const fault = isNamed ? faultOf(words.slice(1)) : isShort ? faultOf(words) : undefined;
    return fault === undefined ? [] : [`${where}: \`${value}\`: ${fault}`];
  });
  expect(faults).toEqual([]);
  expect(faultOf(['agent', '--alow', 'HOST:PORT'])).toBe('"agent" has no --alow');
  expect(faultOf(['agend'])).toBe('there is no command "agend"');
});

test('fences of JSON and YAML hold JSON and YAML', () => {
  const fences = found('code').filter(([, { lang }]) => lang === 'json' || lang === 'yaml');
  expect(fences.length).toBeGreaterThan(2);
  for (const [where, { lang, value }] of fences)
    expect(() => (lang === 'json' ? JSON.parse(value) : parse(value)), where).not.toThrow();
});
