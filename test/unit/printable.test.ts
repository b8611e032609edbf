// What strangers choose reaches people's terminals and logs only as text.

import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { openAuditFile } from '../../src/files/audit-log.ts';
import { printable, printableFields } from '../../src/files/printable.ts';
import { Rig } from '../rig/rig.ts';

/** Sets a terminal's title, clears it, moves up, rings; C1 and bidirectional marks besides. */
const nasty = '\u001b]0;owned\u0007\u001b[2J\r\n\u009b1A\u202eevil\u2066\u200b\ufeff\u2028';

test.each([
  ['plain text', 'edge-1, é, 漢, 🙂', 'edge-1, é, 漢, 🙂'],
  ['an escape sequence', 'a\u001b[2Jb', 'a\\u001b[2Jb'],
  ['lines', 'a\r\nb', 'a\\u000d\\u000ab'],
  ['C1 controls', '\u009b', '\\u009b'],
  ['marks that turn text round', '\u202eexe.txt', '\\u202eexe.txt'],
  ['invisible tags', '\u{e0041}', '\\u{e0041}'],
  ['half a character', '\ud83d', '\\ud83d'],
  ['what is too long', 'x'.repeat(11), `${'x'.repeat(10)}…`],
  ['a cut through a character', `${'x'.repeat(9)}🙂`, `${'x'.repeat(9)}\\ud83d…`],
])('%s is fit to print', (_, text, expected) => {
  expect(printable(text, 10 + (text.startsWith('x') ? 0 : 20))).toBe(expected);
});

test('fields that are no text stay what they are', () => {
  expect(printableFields({ a: 1, b: undefined, c: '\u0000', d: ['x'] }, 5)).toEqual({
    ...{ a: 1, b: undefined, c: '\\u0000', d: ['x'] },
  });
});

test('a broker, an agent and a node that answer with escape sequences do not get at the terminal', async () => {
  await using rig = new Rig();
  let status = 401;
  const server = createServer((_, response) => {
    const node = { node: nasty, instances: [{ instance: nasty, version: nasty, since: nasty, sessions: 1 }] };
    const body =
      status === 200
        ? { nodes: [{ ...node, instances: node.instances.map((one) => ({ ...one, draining: false })) }] }
        : { error: { code: 'ERR_UNAUTHORIZED', message: nasty } };
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  rig.defer(() => server.close());
  rig.write('token', 'a.b.c');
  const access = [
    ...['--broker', `ws://127.0.0.1:${(server.address() as AddressInfo).port}`],
    ...['--token-file', rig.path('token')],
  ];
  const agent = ['agent', ...access, '--node', 'edge-1', '--allow', '*:1'];
  for (const args of [['nodes', ...access], ['dial', ...access, 'edge-1', '127.0.0.1:1'], agent]) {
    const { code, stderr } = await rig.run(rig.fairleadPath, args);
    expect([code, stderr]).toEqual([1, expect.stringContaining('\\u001b]0;owned\\u0007')]);
    expect(stderr).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}]*\n$/u);
  }
  status = 200;
  const listed = await rig.run(rig.fairleadPath, ['nodes', ...access]);
  expect([listed.code, listed.stderr]).toEqual([0, '']);
  expect(listed.stdout.toString().split('\n')).toHaveLength(3);
  expect(listed.stdout.toString()).toMatch(/^[^\p{Cc}]*\n[^\p{Cc}\p{Cf}\p{Zl}]*\n$/u);
});

test('the audit log escapes what peers choose, once more than JSON does', async () => {
  await using rig = new Rig();
  const path = rig.path('audit.jsonl');
  const log = openAuditFile(path, { error() {} });
  log.record({ event: 'link-refused', principal: nasty, error: 'x'.repeat(5000) });
  await expect.poll(() => readFileSync(path, 'utf8')).toContain('\n');
  const line = readFileSync(path, 'utf8');
  expect(line).toMatch(/^[^\p{Cc}\p{Cf}\p{Zl}]*\n$/u);
  expect(JSON.parse(line).error).toHaveLength(601);
});
