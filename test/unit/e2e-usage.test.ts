// What the commands say about keys and lists that are lacking, malformed or do not go together.

import { readFileSync, statSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';

const rig = new Rig();
const run = (...args: string[]) => rig.run(rig.fairleadPath, args, '', { cwd: rig.directory });
const broker = ['--broker', 'ws://127.0.0.1:1', '--token-file', 'token'];
const dial = (...args: string[]) => ['dial', ...broker, ...args, 'edge-1', 'a:1'];
const agent = (...args: string[]) => ['agent', ...broker, '--node', 'n', '--allow', '*:*', ...args];

beforeAll(async () => {
  rig.write('token', 'aaaa.bbbb.cccc\n');
  rig.write('list', 'sha256:short alice\n');
  rig.write('empty', '');
  const { stderr, code } = await run('keys', '--e2e', '--key-file', 'key.pem');
  if (code !== 0) throw new Error(stderr);
  const [key = ''] =
    /-----BEGIN PRIVATE[\s\S]+END PRIVATE KEY-----\n/.exec(readFileSync(rig.path('key.pem'), 'utf8')) ?? [];
  rig.write('key-only.pem', key);
});
afterAll(() => rig[Symbol.asyncDispose]());

test.concurrent.each<[string, number, readonly string[], string]>([
  ['a key without --e2e', 2, dial('--e2e-key', 'key.pem'), 'without it nothing is encrypted'],
  ['a list without --e2e', 2, dial('--e2e-peers', 'empty'), 'without it nothing is encrypted'],
  ['--e2e without a key', 2, dial('--e2e', '--e2e-peers', 'empty'), '--e2e-key FILE'],
  [
    '--e2e without anybody to trust',
    2,
    dial('--e2e', '--e2e-key', 'key.pem'),
    '--e2e-peers FILE and --e2e-ca',
  ],
  [
    'a list and an authority',
    2,
    dial('--e2e', '--e2e-key', 'key.pem', '--e2e-peers', 'empty', '--e2e-ca', 'key.pem'),
    'by one of',
  ],
  ['an agent that requires without a key', 2, agent('--e2e-require'), '--e2e-key FILE'],
  ['an agent with a key and nobody to trust', 2, agent('--e2e-key', 'key.pem'), '--e2e-peers FILE'],
  [
    'a way back that is encrypted, without a way back',
    2,
    agent('--e2e-key', 'key.pem', '--listen-e2e-peers', 'empty'),
    '--listen',
  ],
  ['a rule for a key without a name', 2, agent('--allow', 'a:1;key='), '"key=alice"'],
  [
    'a key file that is missing',
    1,
    dial('--e2e', '--e2e-key', 'none', '--e2e-peers', 'empty'),
    'no file none',
  ],
  [
    'a key file that holds none',
    1,
    dial('--e2e', '--e2e-key', 'token', '--e2e-peers', 'empty'),
    'token: no key',
  ],
  [
    'a key without its certificate',
    1,
    dial('--e2e', '--e2e-key', 'key-only.pem', '--e2e-peers', 'empty'),
    'it holds no certificate',
  ],
  [
    'a malformed list',
    1,
    dial('--e2e', '--e2e-key', 'key.pem', '--e2e-peers', 'list'),
    'list: line 1 of the list',
  ],
  [
    'an authority that is none',
    1,
    dial('--e2e', '--e2e-key', 'key.pem', '--e2e-ca', 'empty'),
    'no certificate of an authority',
  ],
  ['keys for tokens and --ttl', 2, ['keys', '--ttl', '1h'], '--ttl goes with --e2e'],
  ['keys end to end and --jwks', 2, ['keys', '--e2e', '--jwks', 'x'], 'does not go with --e2e'],
  ['the pin of what has none', 1, ['keys', '--pin-of', 'token'], 'no certificate in PEM'],
  ['the pin and a new key', 2, ['keys', '--pin-of', 'key.pem', '--e2e'], 'makes no key'],
])('%s exits %i with one line', async (_, expected, args, hint) => {
  const { code, stdout, stderr } = await run(...args);
  expect(stderr).toContain(hint);
  expect(stderr).toMatch(/^fairlead: [^\n]*\n$/);
  expect(stderr).not.toMatch(/PRIVATE KEY|MII|MHc/);
  expect({ code, stdout: stdout.toString() }).toEqual({ code: expected, stdout: '' });
});

test('keys --e2e writes a file for its owner only, never over another, and prints the pin that --pin-of tells', async () => {
  const made = await run('keys', '--e2e', '--key-file', 'mine.pem', '--ttl', '1h', '--json');
  expect(made.code).toBe(0);
  const { pin } = JSON.parse(made.stdout.toString()) as { pin: string };
  expect(pin).toMatch(/^sha256:[\w-]{43}$/);
  expect(statSync(rig.path('mine.pem')).mode & 0o777).toBe(0o600);
  const before = readFileSync(rig.path('mine.pem'), 'utf8');
  const again = await run('keys', '--e2e', '--key-file', 'mine.pem');
  expect([again.code, readFileSync(rig.path('mine.pem'), 'utf8')]).toEqual([1, before]);
  const told = await run('keys', '--pin-of', 'mine.pem');
  expect(told.stdout.toString()).toBe(`${pin}\n`);
  // As anybody can compute it: openssl's SPKI, hashed.
  const spki = await rig.run('sh', [
    '-c',
    `openssl x509 -in ${rig.path('mine.pem')} -noout -pubkey | openssl pkey -pubin -outform der | openssl dgst -sha256 -binary | base64`,
  ]);
  expect(
    `sha256:${spki.stdout.toString().trim().replace(/=+$/, '').replaceAll('+', '-').replaceAll('/', '_')}`,
  ).toBe(pin);
});
