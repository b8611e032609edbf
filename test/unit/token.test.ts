// Tokens: what is minted is believed, and nothing else is.

import * as fc from 'fast-check';
import { decodeJwt, SignJWT, UnsecuredJWT } from 'jose';
import { expect, test } from 'vitest';
import { matchesNode, nodeNameSchema, nodePatternSchema } from '../../src/broker/grants.ts';
import { tokenVerifier, type VerifierOptions } from '../../src/broker/identity-verifier.ts';
import { mintToken } from '../../src/broker/mint.ts';
import { parseSecret } from '../../src/broker/secret.ts';

const secret = 'correct horse battery staple, at length';
const key = new TextEncoder().encode(secret);

function verify(token: string, options: Partial<VerifierOptions> = {}) {
  return tokenVerifier({ secret, ...options })(token);
}

/** A token as somebody else might make it, signed with the right secret unless told otherwise. */
function forge(
  claims: Record<string, unknown>,
  with_: { alg?: string; key?: Uint8Array } = {},
): Promise<string> {
  const standard = { sub: 'someone', exp: Math.floor(Date.now() / 1000) + 60, fairlead: { agent: 'edge-1' } };
  return new SignJWT({ ...standard, ...claims })
    .setProtectedHeader({ alg: with_.alg ?? 'HS256' })
    .sign(with_.key ?? key);
}

test('an agent token is for one node, and says who it is', async () => {
  const identity = await verify(await mintToken({ secret, agent: 'edge-1', ttlSeconds: 60 }));
  expect(identity).toMatchObject({ kind: 'agent', principal: 'agent:edge-1', node: 'edge-1' });
});

test('a dial token grants node patterns and targets', async () => {
  const token = await mintToken({ secret, dial: ['edge-*'], targets: ['127.0.0.1:22'], subject: 'alice' });
  expect(await verify(token)).toMatchObject({
    kind: 'dial',
    principal: 'alice',
    nodes: ['edge-*'],
    targets: ['127.0.0.1:22'],
  });
});

test('dial tokens without a subject are of different principals', async () => {
  const subjects = await Promise.all(
    [1, 2].map(async () => decodeJwt(await mintToken({ secret, dial: ['*'] })).sub),
  );
  expect(subjects[0]).toMatch(/^dial:/);
  expect(subjects[0]).not.toBe(subjects[1]);
});

test('a token ends after its time', async () => {
  const token = await mintToken({ secret, agent: 'edge-1', ttlSeconds: 90 });
  const { iat, exp } = decodeJwt(token);
  expect((exp ?? 0) - (iat ?? 0)).toBe(90);
  expect((await verify(token)).expiresAt).toBe((exp ?? 0) * 1000);
});

test('one trailing newline is not part of a secret', async () => {
  const token = await mintToken({ secret: `${secret}\n`, agent: 'edge-1' });
  await expect(verify(token, { secret: `${secret}\r\n` })).resolves.toBeDefined();
  await expect(verify(token, { secret: `${secret}\n\n` })).rejects.toMatchObject({
    code: 'ERR_UNAUTHORIZED',
  });
});

test.each([
  ['nothing', ''],
  ['31 bytes', 'x'.repeat(31)],
  ['31 bytes and a newline', `${'x'.repeat(31)}\n`],
])('a secret of %s is refused', (_name, short) => {
  expect(() => parseSecret(short)).toThrowError(expect.objectContaining({ code: 'ERR_CONFIG' }));
});

test('an issuer and an audience that are asked for must be there', async () => {
  const token = await mintToken({ secret, agent: 'edge-1', issuer: 'us', audience: 'fairlead' });
  await expect(verify(token, { issuer: 'us', audience: 'fairlead' })).resolves.toBeDefined();
  for (const wrong of [{ issuer: 'them' }, { audience: 'others' }])
    await expect(verify(token, wrong)).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
  await expect(verify(await mintToken({ secret, agent: 'edge-1' }), { issuer: 'us' })).rejects.toMatchObject({
    code: 'ERR_UNAUTHORIZED',
  });
});

const past = Math.floor(Date.now() / 1000) - 3600;

test.each<[string, () => Promise<string> | string]>([
  ['signed with another secret', () => forge({}, { key: new Uint8Array(64) })],
  ['signed with another algorithm', () => forge({}, { alg: 'HS512', key: new Uint8Array(64).fill(1) })],
  [
    'not signed',
    () => new UnsecuredJWT({ sub: 'x', fairlead: { agent: 'edge-1' } }).setExpirationTime('1h').encode(),
  ],
  ['expired', () => forge({ exp: past })],
  ['not valid yet', () => forge({ nbf: past + 7200 })],
  ['without an end', () => forge({ exp: undefined })],
  ['without a subject', () => forge({ sub: undefined })],
  ['with an empty subject', () => forge({ sub: '' })],
  ['with a subject too long', () => forge({ sub: 'x'.repeat(513) })],
  ['without grants', () => forge({ fairlead: undefined })],
  ['with empty grants', () => forge({ fairlead: {} })],
  ['for both an agent and dialing', () => forge({ fairlead: { agent: 'edge-1', dial: ['*'] } })],
  ['for an agent with targets in place of a node', () => forge({ fairlead: { targets: ['*:*'] } })],
  ['for a node that is no name', () => forge({ fairlead: { agent: 'Edge 1' } })],
  ['for no node', () => forge({ fairlead: { dial: [] } })],
  ['with targets that are no list', () => forge({ fairlead: { dial: ['*'], targets: '*' } })],
  ['too long', () => forge({ fairlead: { dial: ['*'], targets: Array(200).fill('x'.repeat(100)) } })],
  ['not a token', () => 'not.a.token'],
])('a token %s is refused, and the refusal does not show it', async (_name, make) => {
  const token = await make();
  const error = await verify(token).then(
    () => expect.unreachable('the token was taken'),
    (refusal: Error) => refusal,
  );
  expect(error).toMatchObject({ code: 'ERR_UNAUTHORIZED' });
  for (const part of token.split('.').filter((text) => text.length > 8)) {
    expect(error.message).not.toContain(part);
    expect(String(error.cause)).not.toContain(part);
  }
});

test('what cannot be granted cannot be minted', async () => {
  for (const wrong of [
    { agent: 'Edge' },
    { agent: '' },
    { dial: [] },
    { dial: ['a b'] },
    { dial: ['*'], targets: [''] },
    { agent: 'edge-1', ttlSeconds: 0 },
    { agent: 'edge-1', ttlSeconds: 1.5 },
    { agent: 'edge-1', subject: '' },
  ])
    await expect(mintToken({ secret, ...wrong })).rejects.toMatchObject({ code: 'ERR_CONFIG' });
});

test.each([
  ['edge-1', 'edge-1', true],
  ['edge-1', 'edge-10', false],
  ['edge-*', 'edge-1', true],
  ['edge-*', 'edge', false],
  ['edge-*', 'edge-1.prod', false],
  ['*', 'anything.at.all', true],
  ['*.prod', 'a.prod', true],
  ['*.prod', 'a.b.prod', false],
  ['*.prod', 'prod', false],
  ['a*b*c', 'a1b2c', true],
  ['a*b*c', 'abc', true],
  ['a*b*c', 'acb', false],
  ['ab*ba', 'aba', false],
  ['a**c', 'abc', true],
])('pattern %s and node %s: %s', (pattern, node, expected) => {
  expect(matchesNode(pattern, node)).toBe(expected);
});

test('a pattern matches what a regular expression for it would', () => {
  const text = fc.string({ unit: fc.constantFrom('a', 'b', '*', '.'), minLength: 1, maxLength: 12 });
  fc.assert(
    fc.property(text, text, (pattern, name) => {
      const node = name.replaceAll('*', 'a');
      const source = pattern === '*' ? '.*' : pattern.replaceAll('.', '\\.').replaceAll('*', '[^.]*');
      expect(matchesNode(pattern, node)).toBe(new RegExp(`^${source}$`).test(node));
    }),
    { numRuns: 5000 },
  );
});

test('node names are lower case and DNS-like; patterns may have stars', () => {
  for (const name of ['a', 'edge-1', 'a.b_c-d', '0', 'x'.repeat(253)]) {
    expect(nodeNameSchema.safeParse(name).success).toBe(true);
    expect(nodePatternSchema.safeParse(name).success).toBe(true);
  }
  for (const name of ['', 'Edge', '-a', 'a-', '.a', 'a b', 'a/b', 'é', 'a\n', 'x'.repeat(254)]) {
    expect(nodeNameSchema.safeParse(name).success).toBe(false);
    expect(nodePatternSchema.safeParse(name).success).toBe(false);
  }
  expect(nodeNameSchema.safeParse('edge-*').success).toBe(false);
});
