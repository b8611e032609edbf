// Writes docs/engines.md from the results of the conformance suite: `node dist/scripts/engines.js RESULTS.json`. With
// CI set it only compares, and fails where the document says something else. Leaves it alone where not all ran.

import { readFileSync, writeFileSync } from 'node:fs';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import * as z from 'zod';

const document = fileURLToPath(new URL('../../docs/engines.md', import.meta.url));
const engines = ['memory', 'nats', 'edge'] as const;

/** As vitest's JSON reporter writes it. */
const resultsSchema = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      assertionResults: z.array(
        z.object({ ancestorTitles: z.array(z.string()), title: z.string(), status: z.string() }),
      ),
    }),
  ),
});

const results = resultsSchema.parse(JSON.parse(readFileSync(process.argv[2] ?? '', 'utf8')));
/** Property → engine → status. */
const table = new Map<string, Map<string, string>>();
/** Tests of one engine's own. */
const own = new Map<string, [title: string, status: string][]>([
  ['nats-cluster.test.ts', []],
  ['edge-platform.test.ts', []],
]);
for (const { name, assertionResults } of results.testResults)
  for (const { ancestorTitles, title, status } of assertionResults) {
    const engine = engines.find((one) => ancestorTitles.includes(`engine ${one}`));
    if (engine === undefined) own.get(basename(name))?.push([title, status]);
    else table.set(title, (table.get(title) ?? new Map()).set(engine, status));
  }

const seen = new Set([...table.values()].flatMap((row) => [...row.keys()]));
const isWhole = seen.size === engines.length && [...own.values()].every((tests) => tests.length > 0);
if (!isWhole) process.exit(0);

const mark = (status: string | undefined) => (status === 'passed' ? '✓' : `✗ ${status ?? 'not run'}`);
const lines = [
  '# Engines',
  '',
  'One relay runs on three engines: in one process (memory), on replicas that meet over NATS ([nats.md](nats.md)), and',
  'on an edge runtime with one object per node ([edge.md](edge.md)). This page is made from the results of',
  '`test/conformance/`, by the test command; on NATS the agent and the dialer are at different replicas, and on the edge',
  'everything runs on `workerd`.',
  '',
  `| property | ${engines.join(' | ')} |`,
  `| --- | ${engines.map(() => ':-:').join(' | ')} |`,
  ...[...table].map(
    ([title, row]) => `| ${title} | ${engines.map((one) => mark(row.get(one))).join(' | ')} |`,
  ),
  '',
  '## What is so on one engine only',
  '',
  '| engine | property | |',
  '| --- | --- | :-: |',
  ...[...own].flatMap(([file, tests]) =>
    tests.map(([title, status]) => `| ${file.split('-')[0]} | ${title} | ${mark(status)} |`),
  ),
  '',
];
const text = lines.join('\n');
const current = (() => {
  try {
    return readFileSync(document, 'utf8');
  } catch {
    return '';
  }
})();
if (text === current) process.exit(0);
if (process.env.CI !== undefined) {
  process.stderr.write(
    'docs/engines.md is not what the conformance suite found: run scripts/test and commit it\n',
  );
  process.exit(1);
}
writeFileSync(document, text);
