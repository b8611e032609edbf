// `fairlead keys`, `token` and `token inspect`, as a person meets them. Runs the real `bin/fairlead`.

import { readFileSync, statSync } from 'node:fs';
import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';
import { makeSigner } from './identity-keys.ts';

const rig = new Rig();
const { fairleadPath } = rig;

async function run(...args: string[]) {
  const { code, stdout, stderr } = await rig.run(fairleadPath, args);
  return { code, stdout: stdout.toString(), stderr };
}

async function made(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run('token', ...args);
  if (code !== 0) throw new Error(stderr);
  return stdout.trim();
}

const at = (name: string) => rig.path(name);
let token = '';

beforeAll(async () => {
  rig.write('secret', 'a secret of the tests, long enough for HS256\n');
  const keys = await run('keys', '--key-file', at('key.json'), '--jwks', at('jwks.json'));
  expect(keys).toMatchObject({ code: 0, stderr: '' });
  token = await made('--key-file', at('key.json'), '--agent', 'edge-1', '--issuer', 'us');
  rig.write('token', `${token}\n`);
});

afterAll(() => rig[Symbol.asyncDispose]());

test('keys are private to their owner, and the private part is nowhere else', async () => {
  for (const name of ['key.json', 'jwks.json']) expect(statSync(at(name)).mode & 0o777).toBe(0o600);
  const { d } = JSON.parse(readFileSync(at('key.json'), 'utf8')) as { d: string };
  const again = await run('keys', '--key-file', at('second.json'), '--jwks', at('jwks.json'));
  const set = readFileSync(at('jwks.json'), 'utf8');
  expect(again.stdout).not.toContain(d);
  expect(set).not.toContain(d);
  expect(JSON.parse(set)).toMatchObject({ keys: [{ kty: 'OKP' }, { kty: 'OKP' }] });
});

test('a key is never replaced, and nothing is added to what is no key set', async () => {
  const before = readFileSync(at('key.json'), 'utf8');
  const again = await run('keys', '--key-file', at('key.json'), '--jwks', at('other.json'));
  expect(again).toMatchObject({ code: 1, stdout: '', stderr: expect.stringContaining('never replaced') });
  expect(readFileSync(at('key.json'), 'utf8')).toBe(before);
  const wrong = await run('keys', '--key-file', at('third.json'), '--jwks', at('secret'));
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('no JWK set') });
  expect(() => statSync(at('third.json'))).toThrow();
});

test('inspect explains a token from a file or from stdin, and never shows its signature', async () => {
  const [, , signature = ''] = token.split('.');
  const fromFile = await run('token', 'inspect', at('token'));
  expect(fromFile).toMatchObject({ code: 0, stderr: '' });
  for (const said of ['"EdDSA"', '"agent:edge-1"', '"us"', 'the node "edge-1"', 'in 24 h', 'not checked'])
    expect(fromFile.stdout).toContain(said);
  const piped = await rig.run(fairleadPath, ['token', 'inspect', '--json'], token);
  expect(JSON.parse(piped.stdout.toString())).toMatchObject({
    header: { alg: 'EdDSA' },
    claims: { sub: 'agent:edge-1', jti: expect.stringMatching(/^[\w-]{21}$/) },
    verdict: { checked: false },
  });
  for (const printed of [fromFile.stdout, piped.stdout.toString()]) expect(printed).not.toContain(signature);
});

test('inspect says what a broker with the same flags would say', async () => {
  const inspect = (...flags: string[]) => run('token', 'inspect', ...flags, at('token'));
  const good = await inspect('--auth-jwks', at('jwks.json'), '--issuer', 'us');
  expect(good).toMatchObject({ code: 0, stdout: expect.stringContaining('verdict   good') });
  for (const [flags, why] of [
    [['--auth-jwks', at('jwks.json'), '--issuer', 'them'], '"iss"'],
    [['--auth-jwks', at('jwks.json'), '--audience', 'x'], '"aud"'],
    [['--auth-secret-file', at('secret')], 'an algorithm that is not allowed'],
  ] as const) {
    const refused = await inspect(...flags);
    expect(refused.stdout).toContain('verdict   refused');
    expect(refused.stdout).toContain(why);
    expect(refused.code).toBe(1);
  }
});

test('what a token says cannot move the cursor of whoever reads it', async () => {
  const subject = 'a\u001b[2Jb\nverdict good\u202e';
  rig.write('sly', await made('--secret-file', at('secret'), '--dial', '*', '--subject', subject));
  const { stdout } = await run('token', 'inspect', at('sly'));
  expect(stdout).toContain('subject   "a\\u001b[2Jb\\nverdict good');
  expect(stdout).not.toMatch(/[^\P{C}\n]/u);
});

test('routes are part of an agent token, in one form each', async () => {
  const routes = ['--route', '10.1.2.3/8', 'DB.Internal.', '2001:DB8::1', '::ffff:10.0.0.1', 'default'];
  const claims = decodeJwt(await made('--secret-file', at('secret'), '--agent', 'edge-1', ...routes));
  expect(claims.fairlead).toEqual({
    agent: 'edge-1',
    routes: ['10.0.0.0/8', 'db.internal', '2001:db8::1', '10.0.0.1', 'default'],
  });
});

test('a token is signed with a PKCS #8 key of each kind', async () => {
  for (const algorithm of ['EdDSA', 'ES256', 'RS256'] as const) {
    const signer = await makeSigner(algorithm);
    rig.write('private.pem', signer.privatePem);
    rig.write('public.pem', signer.publicPem);
    rig.write('pem.token', await made('--key-file', at('private.pem'), '--agent', 'edge-1'));
    const { stdout } = await run('token', 'inspect', '--auth-key', at('public.pem'), at('pem.token'));
    expect(stdout).toContain('verdict   good');
  }
});

test.each<[string, () => string[], number, string]>([
  ['no key', () => ['--agent', 'edge-1'], 2, '--secret-file FILE or --key-file FILE'],
  [
    'two keys',
    () => ['--agent', 'a', '--secret-file', at('secret'), '--key-file', at('key.json')],
    2,
    'one of the two',
  ],
  [
    'routes for a dialer',
    () => ['--secret-file', at('secret'), '--dial', '*', '--route', 'default'],
    2,
    '--agent',
  ],
  [
    'a route that is none',
    () => ['--secret-file', at('secret'), '--agent', 'a', '--route', '10.0.0.0/33'],
    2,
    'a CIDR',
  ],
  ['a public key', () => ['--key-file', at('jwks.json'), '--agent', 'a'], 1, 'no private key'],
  ['a secret for a key', () => ['--key-file', at('secret'), '--agent', 'a'], 1, 'no private key'],
  ['a key file that is missing', () => ['--key-file', at('nope'), '--agent', 'a'], 1, 'no file'],
])('a token cannot be made with %s', async (_name, args, code, hint) => {
  const outcome = await run('token', ...args());
  expect(outcome.stderr).toContain(hint);
  expect(outcome.stderr).toMatch(/^fairlead: [^\n]*\n$/);
  expect(outcome).toMatchObject({ code, stdout: '' });
});

test.each<[string, () => string[], string]>([
  ['what is no token', () => [at('secret')], 'does not hold a token'],
  ['a file that is missing', () => [at('nope')], 'no file'],
  ['keys that are none', () => ['--auth-key', at('secret'), at('token')], 'neither PEM, nor a JWK'],
  ['a private key', () => ['--auth-key', at('key.json'), at('token')], 'private key'],
  [
    'a configuration that is none',
    () => ['--auth-config', at('jwks.json'), at('token')],
    'jwks.json: the file: Unrecognized key',
  ],
])('inspect refuses %s', async (_name, args, hint) => {
  const { code, stdout, stderr } = await run('token', 'inspect', ...args());
  expect(stderr).toContain(hint);
  expect(stderr).toMatch(/^fairlead: [^\n]*\n$/);
  expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
});
