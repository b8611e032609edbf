// Files that a broker is given and that say nothing it could use. Every one is refused whole, with ERR_CONFIG and a
// message that names the field or line, and quotes nothing of a secret.

export type ConfigKind = 'issuers' | 'deny' | 'keys' | 'secret' | 'signing-key';

export interface ConfigRow {
  readonly name: string;
  readonly kind: ConfigKind;
  readonly text: string;
  readonly says: string;
}

const issuers = (name: string, issuer: unknown, says: string): ConfigRow => ({
  name,
  kind: 'issuers',
  text: JSON.stringify({ issuers: [issuer] }),
  says,
});
const mapped = { secretFile: 's', issuer: 'i', audience: 'a' };
const rule = (name: string, grant: unknown): ConfigRow =>
  issuers(name, { ...mapped, grants: [grant] }, 'issuers.0.grants');

const issuerRows: readonly ConfigRow[] = [
  { name: 'nothing', kind: 'issuers', text: '', says: 'not JSON' },
  { name: 'half an object', kind: 'issuers', text: '{"issuers":', says: 'not JSON' },
  { name: 'YAML', kind: 'issuers', text: 'issuers:\n  - secretFile: s\n', says: 'not JSON' },
  { name: 'JSON with a comment', kind: 'issuers', text: '// mine\n{"issuers":[]}', says: 'not JSON' },
  { name: 'a list', kind: 'issuers', text: '[]', says: 'the file' },
  { name: 'null', kind: 'issuers', text: 'null', says: 'the file' },
  { name: 'no issuers', kind: 'issuers', text: '{}', says: 'issuers' },
  { name: 'an empty list of issuers', kind: 'issuers', text: '{"issuers":[]}', says: 'issuers' },
  { name: 'issuers that are an object', kind: 'issuers', text: '{"issuers":{}}', says: 'issuers' },
  {
    name: 'something besides the issuers',
    kind: 'issuers',
    text: '{"issuers":[{"secretFile":"s"}],"debug":true}',
    says: 'debug',
  },
  {
    name: '33 issuers',
    kind: 'issuers',
    text: JSON.stringify({ issuers: Array.from({ length: 33 }, () => ({ secretFile: 's' })) }),
    says: 'issuers',
  },
  issuers('an issuer that is a text', 'secret', 'issuers.0'),
  issuers('an issuer without keys', {}, 'one place'),
  issuers('keys in two places', { secretFile: 's', keyFile: 'k' }, 'one place'),
  issuers(
    'keys in four places',
    { secretFile: 's', keyFile: 'k', jwksFile: 'j', jwksUrl: 'https://a' },
    'one place',
  ),
  issuers('a field that there is not', { secretFile: 's', secret: 'x' }, 'secret'),
  issuers('a field in another case', { SecretFile: 's' }, 'SecretFile'),
  issuers('an empty name of a file', { secretFile: '' }, 'secretFile'),
  issuers('a name of a file that is a number', { secretFile: 7 }, 'secretFile'),
  issuers('a name of a file of 4,097 characters', { secretFile: 'a'.repeat(4097) }, 'secretFile'),
  issuers('an algorithm that there is not', { keyFile: 'k', algorithms: ['RS512'] }, 'algorithms'),
  issuers('the algorithm "none"', { keyFile: 'k', algorithms: ['none'] }, 'algorithms'),
  issuers('no algorithms', { keyFile: 'k', algorithms: [] }, 'algorithms'),
  issuers('algorithms that are a text', { keyFile: 'k', algorithms: 'EdDSA' }, 'algorithms'),
  issuers('HS256 with public keys', { keyFile: 'k', algorithms: ['HS256'] }, 'HS256 goes with secretFile'),
  issuers('EdDSA with a secret', { secretFile: 's', algorithms: ['EdDSA'] }, 'HS256 goes with secretFile'),
  issuers('an empty issuer', { secretFile: 's', issuer: '' }, 'issuer'),
  issuers('an audience that is a list', { secretFile: 's', audience: ['a'] }, 'audience'),
  issuers('a leeway below nothing', { secretFile: 's', leewaySeconds: -1 }, 'leewaySeconds'),
  issuers('a leeway of an hour', { secretFile: 's', leewaySeconds: 3600 }, 'leewaySeconds'),
  issuers('a leeway in quotes', { secretFile: 's', leewaySeconds: '5' }, 'leewaySeconds'),
  issuers('a prefix of 129 characters', { secretFile: 's', prefix: 'p'.repeat(129) }, 'prefix'),
  issuers('a CA without a URL', { secretFile: 's', jwksCaFile: 'ca' }, 'go with jwksUrl'),
  issuers('a token without a URL', { secretFile: 's', jwksTokenFile: 't' }, 'go with jwksUrl'),
  issuers(
    'grants without an audience',
    { secretFile: 's', issuer: 'i', grants: [{ sub: '*', agent: 'a' }] },
    'issuer and audience',
  ),
  issuers(
    'grants without an issuer',
    { secretFile: 's', audience: 'a', grants: [{ sub: '*', agent: 'a' }] },
    'issuer and audience',
  ),
  issuers('no grants', { ...mapped, grants: [] }, 'grants'),
  rule('a grant that is a text', 'all'),
  rule('a grant to nobody', { agent: 'edge-1' }),
  rule('a grant to an empty subject', { sub: '', agent: 'edge-1' }),
  rule('a grant of nothing', { sub: '*' }),
  rule('a grant of both', { sub: '*', agent: 'edge-1', dial: ['*'] }),
  rule('a grant for an agent with a star', { sub: '*', agent: 'edge-*' }),
  rule('a grant for a place that there is not', { sub: '*', agent: '{pod}' }),
  rule('a grant to dial nothing', { sub: '*', dial: [] }),
  rule('a grant with a route that is none', { sub: '*', agent: 'edge-1', routes: ['10.0.0.0/33'] }),
  rule('a grant with targets for an agent', { sub: '*', agent: 'edge-1', targets: ['*:22'] }),
];

const deny = (name: string, text: string, says: string): ConfigRow => ({ name, kind: 'deny', text, says });
const denyRows: readonly ConfigRow[] = [
  deny('a word alone', 'mallory', 'line 1'),
  deny('a field without a value', 'jti', 'line 1'),
  deny('a field with spaces alone', 'sub    ', 'line 1'),
  deny('a field that there is not', 'ip 192.0.2.1', 'line 1'),
  deny('a field in capitals', 'SUB mallory', 'line 1'),
  deny('an equals sign', 'sub=mallory', 'line 1'),
  deny('a good line and then a bad one', 'sub mallory\n\n# and\nnod edge-1\n', 'line 4'),
  deny('a value of 513 characters', `jti ${'j'.repeat(513)}`, 'line 1'),
  deny('100,001 lines', 'jti a\n'.repeat(100_001), 'line 100001'),
  deny('half an object', '{"jti":["a"]', 'is none'),
  deny('an object with a field that there is not', '{"ip":["192.0.2.1"]}', 'ip'),
  deny('a list that is a text', '{"jti":"a"}', 'jti'),
  deny('a list with a number', '{"sub":[7]}', 'sub.0'),
  deny('a list with an empty text', '{"node":[""]}', 'node.0'),
  deny('a list with null', '{"node":[null]}', 'node.0'),
];

const neither = 'neither PEM, nor a JWK, nor a JWK set';
const keys = (name: string, text: string | object, says: string): ConfigRow => ({
  name,
  kind: 'keys',
  text: typeof text === 'string' ? text : JSON.stringify(text),
  says,
});
const keyRows: readonly ConfigRow[] = [
  keys('nothing', '', neither),
  keys('a word', 'key', neither),
  keys('a token', 'eyJhbGciOiJub25lIn0.e30.', neither),
  keys('null', 'null', neither),
  keys('a number', '7', neither),
  keys('a list of keys without its object', '[{"kty":"OKP"}]', neither),
  keys('an empty object', {}, neither),
  keys('an empty set', { keys: [] }, 'no public key'),
  keys('a set that is no list', { keys: {} }, 'at most 64'),
  keys('65 keys', { keys: Array.from({ length: 65 }, () => ({ kty: 'OKP' })) }, 'at most 64'),
  keys('a set of texts', { keys: ['a', 'b'] }, 'no public key'),
  keys('a set of a shared secret', { keys: [{ kty: 'oct', k: 'c2VjcmV0LW1hcmtlcg' }] }, 'a shared secret'),
  keys('a shared secret', { kty: 'oct', k: 'c2VjcmV0LW1hcmtlcg' }, 'a shared secret'),
  keys('a private key', { kty: 'OKP', crv: 'Ed25519', x: 'AA', d: 'c2VjcmV0LW1hcmtlcg' }, 'a private key'),
  keys(
    'a set with one private key',
    {
      keys: [
        { kty: 'OKP', crv: 'Ed25519', x: 'AA' },
        { kty: 'EC', d: 'c2VjcmV0LW1hcmtlcg' },
      ],
    },
    'a private key',
  ),
  keys('a key that is too short', { kty: 'OKP', crv: 'Ed25519', x: 'AA' }, 'cannot be used'),
  keys(
    'a key that is not on its curve',
    { kty: 'EC', crv: 'P-256', x: 'A'.repeat(43), y: 'A'.repeat(43) },
    'cannot be used',
  ),
  keys('a key of another curve', { kty: 'EC', crv: 'P-384', x: 'AA', y: 'AA' }, 'not for one of'),
  keys('a key of another kind', { kty: 'OKP', crv: 'X25519', x: 'AA' }, 'not for one of'),
  keys('a key for encryption', { kty: 'OKP', crv: 'Ed25519', x: 'AA', use: 'enc' }, 'not for one of'),
  keys(
    'a key for another algorithm',
    { kty: 'OKP', crv: 'Ed25519', x: 'AA', alg: 'HS256' },
    'not for one of',
  ),
  keys('an RSA key of 512 bits', { kty: 'RSA', n: `u${'A'.repeat(85)}`, e: 'AQAB' }, ''),
  keys(
    'a private key in PEM',
    '-----BEGIN PRIVATE KEY-----\nc2VjcmV0LW1hcmtlcg==\n-----END PRIVATE KEY-----\n',
    'a private key',
  ),
  keys(
    'an old private key in PEM',
    '-----BEGIN RSA PRIVATE KEY-----\nc2VjcmV0LW1hcmtlcg==\n-----END RSA PRIVATE KEY-----\n',
    'a private key',
  ),
  keys(
    'an encrypted private key',
    '-----BEGIN ENCRYPTED PRIVATE KEY-----\nc2VjcmV0LW1hcmtlcg==\n-----END ENCRYPTED PRIVATE KEY-----\n',
    'a private key',
  ),
  keys('PEM of nothing', '-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n', 'no public key'),
  keys('PEM cut short', '-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEA', 'no public key'),
  keys(
    'a certificate that is none',
    '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n',
    'no public key',
  ),
];

const secretRows: readonly ConfigRow[] = [
  { name: 'an empty secret', kind: 'secret', text: '', says: 'at least 32' },
  { name: 'a newline for a secret', kind: 'secret', text: '\n', says: 'at least 32' },
  { name: 'a secret of 31 bytes', kind: 'secret', text: 's'.repeat(31), says: 'has 31 bytes' },
  {
    name: 'a secret of 31 bytes and a newline',
    kind: 'secret',
    text: `${'s'.repeat(31)}\r\n`,
    says: 'has 31 bytes',
  },
];

const signing = (name: string, text: string): ConfigRow => ({
  name,
  kind: 'signing-key',
  text,
  says: 'no private key',
});
const signingRows: readonly ConfigRow[] = [
  signing('nothing', ''),
  signing('a secret', 'c2VjcmV0LW1hcmtlcg'),
  signing('a public key', '{"kty":"OKP","crv":"Ed25519","x":"AA"}'),
  signing('a shared secret', '{"kty":"oct","k":"c2VjcmV0LW1hcmtlcg"}'),
  signing('a key whose private part is nothing', '{"kty":"OKP","crv":"Ed25519","x":"AA","d":""}'),
  signing('a key of another curve', '{"kty":"EC","crv":"P-521","x":"AA","y":"AA","d":"c2VjcmV0LW1hcmtlcg"}'),
  signing('PEM of nothing', '-----BEGIN PRIVATE KEY-----\nc2VjcmV0LW1hcmtlcg==\n-----END PRIVATE KEY-----\n'),
];

export const configRows: readonly ConfigRow[] = [
  ...issuerRows,
  ...denyRows,
  ...keyRows,
  ...secretRows,
  ...signingRows,
];
