// Several issuers at once: each token is checked with keys that are pinned to their algorithm, and believed only
// as far as its issuer is.

import { createHmac } from 'node:crypto';
import { base64url, SignJWT } from 'jose';
import { expect, test } from 'vitest';
import { parseAuthConfig } from '../../src/broker/identity-config.ts';
import { fixedKeys, publicKeys, secretKey, verifyingKey } from '../../src/broker/identity-keys.ts';
import { type Issuer, verifierOf } from '../../src/broker/identity-verifier.ts';
import { jwkSet, makeSigner, pinnedKeys, seconds, sign } from './identity-keys.ts';

const secret = 'a secret for tests, long enough to sign with';
const ed = await makeSigner('EdDSA', 'ed-1');
const edNext = await makeSigner('EdDSA', 'ed-2');
const es = await makeSigner('ES256');
const rs = await makeSigner('RS256', 'rs-1');
const stranger = await makeSigner('EdDSA', 'ed-1');

const issuers: readonly Issuer[] = [
  { keys: fixedKeys([secretKey(secret)]) },
  { keys: fixedKeys(await pinnedKeys(ed, edNext)), issuer: 'https://ci.example', audience: 'fairlead' },
  { keys: fixedKeys(await publicKeys(es.publicPem)), issuer: 'https://ops.example', prefix: 'ops:' },
  {
    keys: fixedKeys(await pinnedKeys(rs)),
    issuer: 'https://ci.example',
    audience: 'other',
    leewaySeconds: 120,
  },
];
const verify = verifierOf(issuers);

const ci = { iss: 'https://ci.example', aud: 'fairlead' };
const ops = { iss: 'https://ops.example' };

function hmac(claims: Record<string, unknown>, key: Uint8Array): Promise<string> {
  const standard = { sub: 'someone', exp: seconds(60), fairlead: { agent: 'edge-1' } };
  return new SignJWT({ ...standard, ...claims }).setProtectedHeader({ alg: 'HS256' }).sign(key);
}

/** A token put together by hand, with whatever header. */
function raw(header: unknown, payload: unknown, signature = 'c2lnbmF0dXJl'): string {
  const part = (value: unknown) => base64url.encode(JSON.stringify(value));
  return `${part(header)}.${part(payload)}.${signature}`;
}

const good = { sub: 'someone', exp: seconds(60), fairlead: { agent: 'edge-1' } };

test.each<[string, () => Promise<string>, string]>([
  ['a shared secret', () => hmac({}, new TextEncoder().encode(secret)), 'someone'],
  ['EdDSA with a key id', () => sign(ed, { claims: ci, kid: 'ed-1' }), 'someone'],
  ['EdDSA by its newer name', () => sign(ed, { claims: ci, alg: 'Ed25519' }), 'someone'],
  ['EdDSA without a key id, by the second key', () => sign(edNext, { claims: ci }), 'someone'],
  ['ES256, with its issuer in front of the name', () => sign(es, { claims: ops }), 'ops:someone'],
  ['ES256 with a key id, by a key without one', () => sign(es, { claims: ops, kid: 'any' }), 'ops:someone'],
  [
    'RS256, expired within the leeway',
    () => sign(rs, { claims: { ...ci, aud: ['x', 'other'], exp: seconds(-60) } }),
    'someone',
  ],
  ['a start that lies within the leeway', () => sign(ed, { claims: { ...ci, nbf: seconds(3) } }), 'someone'],
])('a token signed with %s is taken', async (_name, make, principal) => {
  expect(await verify(await make())).toMatchObject({ kind: 'agent', node: 'edge-1', principal });
});

const algorithm = 'the token is signed with an algorithm that is not allowed';
const signature = "the token's signature does not fit this broker's key";
const noKey = "none of this broker's keys is the one that the token names";
const notJwt = 'the token is not a valid JWT';
const noGrant = 'the token does not say what it grants, as "fairlead token" writes it';
const claim = (name: string) => `the token's claim "${name}" is missing or not what this broker expects`;

test.each<[string, () => Promise<string> | string, string]>([
  ['another key of the same name', () => sign(stranger, { claims: ci, kid: 'ed-1' }), signature],
  ['another key without a name', () => sign(stranger, { claims: ci }), signature],
  ['a key id that there is not', () => sign(ed, { claims: ci, kid: 'ed-9' }), noKey],
  ['the name of another key', () => sign(ed, { claims: ci, kid: 'ed-2' }), signature],
  [
    'an issuer that there is not',
    () => sign(ed, { claims: { ...ci, iss: 'https://evil.example' } }),
    algorithm,
  ],
  ['the issuer of another key', () => sign(ed, { claims: ops }), algorithm],
  ['no issuer', () => sign(es), algorithm],
  ['another audience', () => sign(ed, { claims: { ...ci, aud: 'others' } }), claim('aud')],
  ['no audience', () => sign(ed, { claims: { iss: ci.iss } }), claim('aud')],
  [
    'an end that has passed',
    () => sign(ed, { claims: { ...ci, exp: seconds(-60) } }),
    'the token has expired',
  ],
  ['an end that is no number', () => sign(ed, { claims: { ...ci, exp: 'never' } }), claim('exp')],
  ['no end', () => sign(ed, { claims: { ...ci, exp: undefined } }), claim('exp')],
  ['a start to come', () => sign(ed, { claims: { ...ci, nbf: seconds(60) } }), claim('nbf')],
  ['an issue time that is no number', () => sign(ed, { claims: { ...ci, iat: 'now' } }), claim('iat')],
  ['no subject', () => sign(ed, { claims: { ...ci, sub: undefined } }), claim('sub')],
  ['a subject that is no text', () => sign(ed, { claims: { ...ci, sub: 7 } }), noGrant],
  [
    'a subject too long with its prefix',
    () => sign(es, { claims: { ...ops, sub: 'x'.repeat(510) } }),
    "the token's subject is too long",
  ],
  ['no grant', () => sign(ed, { claims: { ...ci, fairlead: undefined } }), noGrant],
  ['a token id that is no text', () => sign(ed, { claims: { ...ci, jti: 7 } }), noGrant],
  ['a token id too long', () => sign(ed, { claims: { ...ci, jti: 'x'.repeat(257) } }), noGrant],
  // RFC 8725 §2.1: the public key as if it were a shared secret.
  ['the public key as a secret', () => hmac(ci, new TextEncoder().encode(es.publicPem)), signature],
  [
    'the public key as a secret, from an issuer',
    () => hmac(ops, new TextEncoder().encode(es.publicPem)),
    signature,
  ],
  ['the algorithm of another key', () => raw({ alg: 'ES256', kid: 'ed-1' }, { ...good, ...ci }), algorithm],
  ['no algorithm', () => raw({ kid: 'ed-1' }, good), notJwt],
  ['the algorithm "none"', () => raw({ alg: 'none' }, good, ''), algorithm],
  ['the algorithm "None"', () => raw({ alg: 'None' }, { ...good, ...ci }, ''), algorithm],
  ['an algorithm that is a list', () => raw({ alg: ['HS256'] }, good), notJwt],
  ['HS512', () => raw({ alg: 'HS512' }, good), algorithm],
  ['RS512', () => raw({ alg: 'RS512' }, { ...good, ...ci }), algorithm],
  [
    'a key of its own in the header',
    () => raw({ alg: 'EdDSA', jwk: stranger.publicJwk }, { ...good, ...ci }),
    signature,
  ],
  [
    'a place for keys in the header',
    () => raw({ alg: 'EdDSA', jku: 'https://evil.example' }, { ...good, ...ci }),
    signature,
  ],
  ['a key id that is no text', () => raw({ alg: 'EdDSA', kid: 1 }, { ...good, ...ci }), notJwt],
  ['a critical extension', () => raw({ alg: 'EdDSA', crit: ['exp'] }, { ...good, ...ci }), notJwt],
  [
    'an unencoded payload',
    () => raw({ alg: 'EdDSA', b64: false, crit: ['b64'] }, { ...good, ...ci }),
    signature,
  ],
  ['a payload that is a list', () => raw({ alg: 'EdDSA' }, []), notJwt],
  ['a header that is a list', () => raw([], good), notJwt],
  ['a signature cut short', async () => (await sign(ed, { claims: ci })).slice(0, -4), signature],
  ['no signature', async () => (await sign(ed, { claims: ci })).replace(/[^.]*$/, ''), signature],
  [
    'a changed payload',
    async () => {
      const [header, , end] = (await sign(ed, { claims: ci })).split('.');
      return `${header}.${base64url.encode(JSON.stringify({ ...good, ...ci, sub: 'root' }))}.${end}`;
    },
    signature,
  ],
  [
    'a HMAC over the claims with the empty key',
    () => {
      const [head, body] = raw({ alg: 'HS256' }, good).split('.');
      return `${head}.${body}.${createHmac('sha256', '').update(`${head}.${body}`).digest('base64url')}`;
    },
    signature,
  ],
  ['four parts', async () => `${await sign(ed, { claims: ci })}.x`, notJwt],
  ['two parts', () => 'eyJhbGciOiJFZERTQSJ9.e30', notJwt],
  ['nothing', () => '', notJwt],
  ['8,193 characters', () => 'x'.repeat(8193), 'the token is too long'],
])('a token with %s is refused', async (_name, make, message) => {
  const token = await make();
  const error = await verify(token).then(
    () => expect.unreachable('the token was taken'),
    (refusal: Error) => refusal,
  );
  expect(error).toMatchObject({ code: 'ERR_UNAUTHORIZED', message });
});

test('keys that cannot be had are not the fault of the token', async () => {
  const away = Object.assign(new Error('away'), { code: 'ERR_BROKER_UNREACHABLE' });
  const keys = { find: () => Promise.reject(away) };
  const waiting = verifierOf([{ keys }, { keys: fixedKeys(await pinnedKeys(ed)) }]);
  await expect(waiting(await sign(stranger))).rejects.toBe(away);
  // Another issuer's keys may do.
  await expect(waiting(await sign(ed))).resolves.toMatchObject({ node: 'edge-1' });
});

test('a revoked identity is refused, whatever its token says', async () => {
  const strict = verifierOf(issuers, ({ tokenId }) => tokenId === 'stolen');
  await expect(strict(await sign(ed, { claims: { ...ci, jti: 'mine' } }))).resolves.toBeDefined();
  await expect(strict(await sign(ed, { claims: { ...ci, jti: 'stolen' } }))).rejects.toMatchObject({
    code: 'ERR_UNAUTHORIZED',
    message: 'the token was revoked',
  });
});

test('keys are read from PEM, certificates, a JWK or a set, each with its algorithm', async () => {
  const algorithms = async (text: string) => (await publicKeys(text)).map((key) => key.algorithm);
  expect(await algorithms(`${ed.publicPem}\n`)).toEqual(['EdDSA']);
  expect(await algorithms(es.publicPem)).toEqual(['ES256']);
  expect(await algorithms(rs.publicPem)).toEqual(['RS256']);
  expect(await algorithms(JSON.stringify(ed.publicJwk))).toEqual(['EdDSA']);
  const others = [
    { kty: 'EC', crv: 'P-384', x: 'AA', y: 'AA' },
    { ...rs.publicJwk, use: 'enc' },
    { ...rs.publicJwk, alg: 'RS512' },
    'not a key',
  ];
  const set = JSON.stringify({ keys: [...others, ed.publicJwk, es.publicJwk, rs.publicJwk] });
  expect(await algorithms(set)).toEqual(['EdDSA', 'ES256', 'RS256']);
  expect(await publicKeys(set, ['ES256'])).toMatchObject([{ algorithm: 'ES256' }]);
});

const shortRsa = { kty: 'RSA', e: 'AQAB', n: base64url.encode(new Uint8Array(128).fill(0xff)) };

test.each<[string, () => string, string]>([
  ['nothing', () => '', 'neither PEM, nor a JWK'],
  ['text', () => 'hello', 'neither PEM, nor a JWK'],
  ['a list', () => '[]', 'neither PEM, nor a JWK'],
  ['a set that is none', () => '{"keys":{}}', '{"keys":[…]}'],
  ['an empty set', () => '{"keys":[]}', 'no public key for one of'],
  ['a set of 65', () => JSON.stringify({ keys: Array(65).fill(ed.publicJwk) }), 'at most 64'],
  [
    'a set without one for us',
    () => JSON.stringify({ keys: [{ kty: 'EC', crv: 'P-521' }] }),
    'no public key',
  ],
  ['a private key in PEM', () => es.privatePem, 'private key'],
  ['a private JWK', () => JSON.stringify({ ...ed.publicJwk, d: 'AA' }), 'private key'],
  [
    'a set with a private key',
    () => JSON.stringify({ keys: [ed.publicJwk, { ...rs.publicJwk, d: 'AA' }] }),
    'private key',
  ],
  [
    'a shared secret',
    () => JSON.stringify({ kty: 'oct', k: base64url.encode(secret) }),
    '--auth-secret-file',
  ],
  ['a key for another curve', () => '{"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"}', 'not for one of'],
  ['a key for encryption', () => JSON.stringify({ ...ed.publicJwk, use: 'enc' }), 'not for signatures'],
  ['a point that is none', () => '{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}', 'cannot be used with ES256'],
  ['an RSA key of 1024 bits', () => JSON.stringify(shortRsa), '1024 bits'],
  [
    'PEM of something else',
    () => '-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----',
    'no public key in PEM',
  ],
  [
    'a certificate that is none',
    () => '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----',
    'no public key in PEM',
  ],
])('a key file that holds %s is refused, without being quoted', async (_name, text, message) => {
  const error = await publicKeys(text()).then(
    () => expect.unreachable('the keys were taken'),
    (refusal: Error) => refusal,
  );
  expect(error).toMatchObject({ code: 'ERR_CONFIG' });
  expect(error.message).toContain(message);
  expect(error.message).not.toContain(base64url.encode(secret));
});

test('a set may be limited to algorithms, and then takes no other', async () => {
  await expect(publicKeys(jwkSet(ed), ['RS256'])).rejects.toMatchObject({ code: 'ERR_CONFIG' });
  await expect(publicKeys(ed.publicPem, ['RS256'])).rejects.toMatchObject({ code: 'ERR_CONFIG' });
});

const entry = (more: object) => JSON.stringify({ issuers: [{ keyFile: 'key.pem', ...more }] });

test.each<[string, string, string]>([
  ['nothing', '', 'not JSON'],
  ['no list', '{}', 'issuers'],
  ['an empty list', '{"issuers":[]}', 'issuers'],
  ['an issuer without keys', '{"issuers":[{}]}', 'give one of'],
  ['keys in two places', entry({ secretFile: 'secret' }), 'give one of'],
  ['a field that there is not', entry({ audiance: 'x' }), 'audiance'],
  ['an algorithm that there is not', entry({ algorithms: ['none'] }), 'algorithms'],
  ['no algorithm', entry({ algorithms: [] }), 'algorithms'],
  ['HS256 with a public key', entry({ algorithms: ['HS256'] }), 'HS256 goes with secretFile'],
  [
    'a secret for EdDSA',
    '{"issuers":[{"secretFile":"x","algorithms":["EdDSA"]}]}',
    'HS256 goes with secretFile',
  ],
  ['a leeway of an hour', entry({ leewaySeconds: 3600 }), 'leewaySeconds'],
  ['a leeway below nothing', entry({ leewaySeconds: -1 }), 'leewaySeconds'],
  ['an issuer that is a list', entry({ issuer: ['a'] }), 'issuer'],
  ['an empty audience', entry({ audience: '' }), 'audience'],
  ['a prefix too long', entry({ prefix: 'x'.repeat(129) }), 'prefix'],
])('a configuration with %s is refused', (_name, text, message) => {
  expect(() => parseAuthConfig(text)).toThrowError(
    expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining(message) }),
  );
});

test('a shared secret is made a key once, and not for each token', async () => {
  const pinned = secretKey(secret);
  const key = await verifyingKey(pinned);
  expect(key.usages).toEqual(['verify']);
  expect(key.extractable).toBe(false);
  expect(await verifyingKey(pinned)).toBe(key);
});
