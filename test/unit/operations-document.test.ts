// docs/operations.md and the log lines that there are: each line has an event, each event is in the table with its level
// and where it comes from, and the table has no other.

import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';

const root = fileURLToPath(new URL('../../', import.meta.url));
const sources = readdirSync(`${root}src`, { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => ({ path, text: readFileSync(`${root}src/${path}`, 'utf8') }));

/** Every call of a logger, with the first of what it says. */
const calls = sources.flatMap(({ path, text }) =>
  [...text.matchAll(/[lL]og\??\.(debug|info|warn|error|fatal|trace)\(\s*([\s\S]{0,80})/g)].map(
    ([, level = '', says = '']) => ({ path, level, says }),
  ),
);
const events = calls.map(({ says, ...call }) => ({
  ...call,
  event: /^\{\s*event: '([a-z0-9-]+)'/.exec(says)?.[1] ?? '',
}));

const section = readFileSync(`${root}docs/operations.md`, 'utf8').split('### Events\n')[1]?.split(/^##/m)[0];
const rows = (section ?? '')
  .split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) => line.split(' | ').map((cell) => cell.replace(/^\| | \|$/g, '').trim()))
  .map(([event = '', level = '', where = '', ...more]) => ({
    event: event.replaceAll('`', ''),
    levels: level.split(', '),
    where,
    more,
  }));

test('every log line says which event it is', () => {
  expect(events.length).toBeGreaterThan(50);
  // One names its fields before, because two lines have them.
  const bare = events.filter(({ event, path }) => event === '' && path !== 'broker/nats/nats-replicas.ts');
  expect(bare).toEqual([]);
});

test('the table has every event at its level, and no other', () => {
  for (const { event, level, path } of events.filter((it) => it.event !== '')) {
    const row = rows.find((it) => it.event === event);
    expect({ event, path, levels: row?.levels }).toEqual({
      event,
      path,
      levels: expect.arrayContaining([level]),
    });
  }
  const source = sources.map(({ text }) => text).join('\n');
  for (const { event, where, more } of rows) {
    expect(source).toContain(`event: '${event}'`);
    expect([event, where]).toEqual([event, expect.stringMatching(/broker|agent|gateway|forward|dial|all/)]);
    expect(more).toHaveLength(2);
  }
  expect(new Set(rows.map(({ event }) => event)).size).toBe(rows.length);
});
