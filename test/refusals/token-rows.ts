// Tokens that are none, or not for this broker. `sign` says whose key signs: the broker knows `secret` (any issuer),
// `ed` (key "ed-1" of https://ci.example, for the audience "fairlead") and `es` (https://ops.example).

export interface TokenRow {
  readonly name: string;
  /** The whole token, or … */
  readonly text?: string;
  /** … its parts: objects are written as JSON, texts as they are. Claims are laid over good ones. */
  readonly header?: object | string;
  readonly claims?: object;
  readonly payload?: string;
  readonly sign?: 'secret' | 'stranger' | 'ed' | 'es' | 'es-public-as-secret' | 'nothing';
  readonly says: string;
}

const notJwt = 'not a valid JWT';
const algorithm = 'algorithm that is not allowed';
const signature = 'signature';
const noKey = "none of this broker's keys";
const noGrant = 'does not say what it grants';
const claim = (name: string) => `claim "${name}"`;
const ci = { iss: 'https://ci.example', aud: 'fairlead' };
const ops = { iss: 'https://ops.example' };
const now = Math.floor(Date.now() / 1000);

const shapes: readonly TokenRow[] = [
  { name: 'nothing', text: '', says: notJwt },
  { name: 'one dot', text: '.', says: notJwt },
  { name: 'two dots', text: '..', says: notJwt },
  { name: 'a hundred dots', text: '.'.repeat(100), says: notJwt },
  { name: 'a word', text: 'token', says: notJwt },
  { name: 'letters that look alike', text: 'еуJh.еуJh.еуJh', says: notJwt },
  { name: 'emoji', text: '🔑.🔑.🔑', says: notJwt },
  { name: 'a null byte', text: 'a\0b.c.d', says: notJwt },
  { name: 'a newline inside', text: 'a\n.b.c', says: notJwt },
  { name: 'base64 with the wrong alphabet', text: 'a+/=.a+/=.a+/=', says: notJwt },
  { name: '8,193 characters', text: 'a'.repeat(8193), says: 'too long' },
  { name: '8,192 characters', text: `${'a'.repeat(8188)}.b.c`, says: notJwt },
  { name: 'JSON instead of a token', text: '{"alg":"HS256"}', says: notJwt },
  { name: 'a header that is no JSON', header: '{"alg"', says: notJwt },
  { name: 'a header that is null', header: 'null', says: notJwt },
  { name: 'a header that is a list', header: '["HS256"]', says: notJwt },
  { name: 'a header that is a text', header: '"HS256"', says: notJwt },
  { name: 'a header that is a number', header: '7', says: notJwt },
  { name: 'a header of 2,000 lists', header: `{"alg":${'['.repeat(2000)}${']'.repeat(2000)}}`, says: notJwt },
  { name: 'claims that are no JSON', payload: '{"sub"', says: notJwt },
  { name: 'claims that are null', payload: 'null', says: notJwt },
  { name: 'claims that are a list', payload: '[]', says: notJwt },
  { name: 'claims that are a text', payload: '"alice"', says: notJwt },
  { name: 'claims that are no UTF-8', payload: Buffer.from([0xff, 0xfe]).toString('latin1'), says: notJwt },
];

const headers: readonly TokenRow[] = [
  { name: 'no algorithm', header: {}, says: notJwt },
  { name: 'an algorithm that is null', header: { alg: null }, says: notJwt },
  { name: 'an algorithm that is a number', header: { alg: 256 }, says: notJwt },
  { name: 'an algorithm that is a list', header: { alg: ['HS256'] }, says: notJwt },
  { name: 'an empty algorithm', header: { alg: '' }, says: algorithm },
  ...['none', 'None', 'NONE', 'nOnE'].map((alg) => ({
    name: `the algorithm "${alg}", unsigned`,
    header: { alg },
    sign: 'nothing' as const,
    says: algorithm,
  })),
  { name: 'HS256 without a signature', header: { alg: 'HS256' }, sign: 'nothing', says: signature },
  ...[
    'hs256',
    'HS256 ',
    'HS384',
    'HS512',
    'HS1',
    'RS1',
    'RS512',
    'PS256',
    'ES384',
    'ES256K',
    'RSA-OAEP',
    'dir',
    'A128KW',
    'ML-DSA-65',
  ].map((alg) => ({
    name: `the algorithm "${alg}"`,
    header: { alg },
    says: algorithm,
  })),
  {
    name: 'a public key as a shared secret',
    header: { alg: 'HS256' },
    claims: ops,
    sign: 'es-public-as-secret',
    says: signature,
  },
  { name: 'EdDSA with a signature by a secret', header: { alg: 'EdDSA' }, claims: ci, says: signature },
  { name: 'ES256 with a signature by a secret', header: { alg: 'ES256' }, claims: ops, says: signature },
  {
    name: 'HS256 with a signature by EdDSA',
    header: { alg: 'HS256' },
    claims: ci,
    sign: 'ed',
    says: signature,
  },
  {
    name: 'the algorithm of another issuer',
    header: { alg: 'ES256' },
    claims: ci,
    sign: 'es',
    says: algorithm,
  },
  {
    name: 'a key id that there is not',
    header: { alg: 'EdDSA', kid: 'ed-9' },
    claims: ci,
    sign: 'ed',
    says: noKey,
  },
  { name: 'an empty key id', header: { alg: 'EdDSA', kid: '' }, claims: ci, sign: 'ed', says: noKey },
  {
    name: 'a key id with the case changed',
    header: { alg: 'EdDSA', kid: 'ED-1' },
    claims: ci,
    sign: 'ed',
    says: noKey,
  },
  {
    name: 'a key id that is a path',
    header: { alg: 'EdDSA', kid: '../../dev/null' },
    claims: ci,
    sign: 'ed',
    says: noKey,
  },
  {
    name: 'a key id that is SQL',
    header: { alg: 'EdDSA', kid: "' OR 1=1 --" },
    claims: ci,
    sign: 'ed',
    says: noKey,
  },
  {
    name: 'a key id that is a command',
    header: { alg: 'EdDSA', kid: '$(id)' },
    claims: ci,
    sign: 'ed',
    says: noKey,
  },
  {
    name: 'a key id of the object prototype',
    header: { alg: 'EdDSA', kid: '__proto__' },
    claims: ci,
    sign: 'ed',
    says: noKey,
  },
  {
    name: 'a key id that is a number',
    header: { alg: 'EdDSA', kid: 1 },
    claims: ci,
    sign: 'ed',
    says: notJwt,
  },
  {
    name: 'a key id that is null',
    header: { alg: 'EdDSA', kid: null },
    claims: ci,
    sign: 'ed',
    says: notJwt,
  },
  {
    name: 'a key id that is an object',
    header: { alg: 'EdDSA', kid: { $ne: '' } },
    claims: ci,
    sign: 'ed',
    says: notJwt,
  },
  {
    name: "a stranger's key with the right id",
    header: { alg: 'HS256', kid: 'ed-1' },
    sign: 'stranger',
    says: signature,
  },
  {
    name: 'a key of its own',
    header: { alg: 'HS256', jwk: { kty: 'oct', k: 'c3RyYW5nZXI' } },
    sign: 'stranger',
    says: signature,
  },
  {
    name: 'a URL of a key set',
    header: { alg: 'HS256', jku: 'http://127.0.0.1:9/jwks' },
    sign: 'stranger',
    says: signature,
  },
  {
    name: 'a URL of a certificate',
    header: { alg: 'HS256', x5u: 'http://127.0.0.1:9/x5u' },
    sign: 'stranger',
    says: signature,
  },
  {
    name: 'a certificate of its own',
    header: { alg: 'HS256', x5c: ['MIIB'] },
    sign: 'stranger',
    says: signature,
  },
  { name: 'a critical extension', header: { alg: 'HS256', crit: ['exp'], exp: 1 }, says: notJwt },
  { name: 'an empty list of critical extensions', header: { alg: 'HS256', crit: [] }, says: notJwt },
  {
    name: 'a payload that is not encoded',
    header: { alg: 'HS256', crit: ['b64'], b64: false },
    says: notJwt,
  },
  {
    name: 'compression',
    header: { alg: 'HS256', zip: 'DEF', enc: 'A128GCM' },
    sign: 'stranger',
    says: signature,
  },
  { name: 'a signature by another secret', header: { alg: 'HS256' }, sign: 'stranger', says: signature },
];

const claims: readonly TokenRow[] = [
  { name: 'no end', claims: { exp: undefined }, says: claim('exp') },
  { name: 'an end that has passed', claims: { exp: now - 60 }, says: 'expired' },
  { name: 'an end of 0', claims: { exp: 0 }, says: 'expired' },
  { name: 'an end before time began', claims: { exp: -1 }, says: 'expired' },
  { name: 'an end in quotes', claims: { exp: String(now + 60) }, says: claim('exp') },
  { name: 'an end that is null', claims: { exp: null }, says: claim('exp') },
  { name: 'an end that is a date', claims: { exp: '2099-01-01' }, says: claim('exp') },
  { name: 'an end that is a list', claims: { exp: [now + 60] }, says: claim('exp') },
  {
    name: 'an end that never comes',
    payload: `{"sub":"alice","exp":1e999,"fairlead":{"dial":["*"]}}`,
    says: '',
  },
  { name: 'a beginning to come', claims: { nbf: now + 60 }, says: claim('nbf') },
  { name: 'a beginning in quotes', claims: { nbf: '1' }, says: claim('nbf') },
  { name: 'an issue time that is a text', claims: { iat: 'now' }, says: claim('iat') },
  { name: 'no subject', claims: { sub: undefined }, says: claim('sub') },
  { name: 'an empty subject', claims: { sub: '' }, says: noGrant },
  { name: 'a subject that is a number', claims: { sub: 7 }, says: noGrant },
  { name: 'a subject that is a list', claims: { sub: ['alice'] }, says: noGrant },
  { name: 'a subject that is null', claims: { sub: null }, says: noGrant },
  { name: 'a subject of 513 characters', claims: { sub: 'a'.repeat(513) }, says: noGrant },
  { name: 'a token id that is a number', claims: { jti: 7 }, says: noGrant },
  { name: 'an empty token id', claims: { jti: '' }, says: noGrant },
  { name: 'a token id of 257 characters', claims: { jti: 'j'.repeat(257) }, says: noGrant },
  { name: 'no audience', header: { alg: 'EdDSA' }, claims: { iss: ci.iss }, sign: 'ed', says: claim('aud') },
  {
    name: 'another audience',
    header: { alg: 'EdDSA' },
    claims: { ...ci, aud: 'other' },
    sign: 'ed',
    says: claim('aud'),
  },
  {
    name: 'a list of other audiences',
    header: { alg: 'EdDSA' },
    claims: { ...ci, aud: ['a', 'b'] },
    sign: 'ed',
    says: claim('aud'),
  },
  {
    name: 'an audience with the case changed',
    header: { alg: 'EdDSA' },
    claims: { ...ci, aud: 'Fairlead' },
    sign: 'ed',
    says: claim('aud'),
  },
  {
    name: 'an audience that is an object',
    header: { alg: 'EdDSA' },
    claims: { ...ci, aud: { fairlead: true } },
    sign: 'ed',
    says: claim('aud'),
  },
  {
    name: 'an issuer with a slash behind it',
    header: { alg: 'EdDSA' },
    claims: { ...ci, iss: 'https://ci.example/' },
    sign: 'ed',
    says: algorithm,
  },
  {
    name: 'an issuer that there is not',
    header: { alg: 'EdDSA' },
    claims: { ...ci, iss: 'https://evil.example' },
    sign: 'ed',
    says: algorithm,
  },
  {
    name: 'an issuer that is a list',
    header: { alg: 'EdDSA' },
    claims: { ...ci, iss: ['https://ci.example'] },
    sign: 'ed',
    says: algorithm,
  },
  { name: 'no grant', claims: { fairlead: undefined }, says: noGrant },
  { name: 'a grant that is null', claims: { fairlead: null }, says: noGrant },
  { name: 'a grant that is a text', claims: { fairlead: 'dial' }, says: noGrant },
  { name: 'a grant of nothing', claims: { fairlead: {} }, says: noGrant },
  { name: 'a grant of both', claims: { fairlead: { agent: 'edge-1', dial: ['*'] } }, says: noGrant },
  { name: 'a grant to dial that is a text', claims: { fairlead: { dial: '*' } }, says: noGrant },
  { name: 'a grant to dial nothing', claims: { fairlead: { dial: [] } }, says: noGrant },
  {
    name: 'a grant to dial 257 nodes',
    claims: { fairlead: { dial: Array.from({ length: 257 }, () => '*') } },
    says: noGrant,
  },
  { name: 'a grant to dial a node in capitals', claims: { fairlead: { dial: ['EDGE'] } }, says: noGrant },
  { name: 'a grant to dial a path', claims: { fairlead: { dial: ['../*'] } }, says: noGrant },
  { name: 'a grant to dial a number', claims: { fairlead: { dial: [1] } }, says: noGrant },
  { name: 'targets that are a text', claims: { fairlead: { dial: ['*'], targets: '*:22' } }, says: noGrant },
  { name: 'an empty target', claims: { fairlead: { dial: ['*'], targets: [''] } }, says: noGrant },
  {
    name: 'a target of 513 characters',
    claims: { fairlead: { dial: ['*'], targets: ['a'.repeat(513)] } },
    says: noGrant,
  },
  {
    name: '257 targets',
    claims: { fairlead: { dial: ['*'], targets: Array.from({ length: 257 }, () => '*:1') } },
    says: noGrant,
  },
  { name: 'a grant for an agent that is a list', claims: { fairlead: { agent: ['edge-1'] } }, says: noGrant },
  { name: 'a grant for an agent with a star', claims: { fairlead: { agent: 'edge-*' } }, says: noGrant },
  { name: 'a grant for an agent without a name', claims: { fairlead: { agent: '' } }, says: noGrant },
  {
    name: 'routes that are a text',
    claims: { fairlead: { agent: 'edge-1', routes: 'default' } },
    says: noGrant,
  },
  {
    name: 'a route that is none',
    claims: { fairlead: { agent: 'edge-1', routes: ['10.0.0.0/33'] } },
    says: noGrant,
  },
  {
    name: 'a grant of the object prototype',
    payload: `{"sub":"alice","exp":${now + 60},"__proto__":{"fairlead":{"dial":["*"]}}}`,
    says: noGrant,
  },
];

export const tokenRows: readonly TokenRow[] = [...shapes, ...headers, ...claims];
