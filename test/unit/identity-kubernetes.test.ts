// Service-account tokens of a Kubernetes cluster, as they are: its rules say what they grant, its API server has
// the keys, behind a certificate and a token of its own.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import { silentLog } from '../../src/broker/broker-log.ts';
import { parseAuthConfig } from '../../src/broker/identity-config.ts';
import { fixedKeys } from '../../src/broker/identity-keys.ts';
import { grantByRules, rulesSchema } from '../../src/broker/identity-mapping.ts';
import { verifierOf } from '../../src/broker/identity-verifier.ts';
import { mintToken, openAuth, startBroker } from '../../src/broker/index.ts';
import { connect } from '../../src/client/index.ts';
import { Rig } from '../rig/rig.ts';
import { jwkSet, makeSigner, pinnedKeys, seconds, sign } from './identity-keys.ts';

const cluster = await makeSigner('RS256', 'cluster-1');
const issuer = 'https://kubernetes.default.svc.cluster.local';
const audience = 'fairlead';

const rules = [
  { sub: 'system:serviceaccount:fairlead:agent', agent: '{node}', routes: ['default'] },
  { sub: 'system:serviceaccount:fairlead:gateway', agent: 'cluster-gateway' },
  { sub: 'system:serviceaccount:ci:*', dial: ['edge-*'], targets: ['*:22'] },
  { sub: 'system:serviceaccount:debug:shell', dial: ['{node}'] },
];

/** The claims of a token as a kubelet gets it for a pod. */
function podClaims(namespace: string, account: string, node: string | undefined, more: object = {}) {
  return {
    iss: issuer,
    aud: [audience],
    sub: `system:serviceaccount:${namespace}:${account}`,
    exp: seconds(3607),
    iat: seconds(0),
    nbf: seconds(0),
    jti: '5c2a1ae6-3e5a-4d0a-8f3e-1f6d0f1f1a11',
    fairlead: undefined,
    'kubernetes.io': {
      namespace,
      ...(node === undefined ? {} : { node: { name: node, uid: '7a3d' } }),
      pod: { name: `${account}-x7k2p`, uid: '9b1c' },
      serviceaccount: { name: account, uid: '1d4e' },
    },
    ...more,
  };
}

function podToken(namespace: string, account: string, node?: string, more?: object): Promise<string> {
  return sign(cluster, { kid: 'cluster-1', claims: podClaims(namespace, account, node, more) });
}

const verify = verifierOf([
  {
    keys: fixedKeys(await pinnedKeys(cluster)),
    issuer,
    audience,
    grantOf: grantByRules(rulesSchema.parse(rules)),
  },
]);

test.each<[string, string, string | undefined, object]>([
  ['fairlead', 'agent', 'edge-7.example', { kind: 'agent', node: 'edge-7.example', routes: ['default'] }],
  ['fairlead', 'gateway', undefined, { kind: 'agent', node: 'cluster-gateway', routes: [] }],
  ['ci', 'deploy', 'worker-1', { kind: 'dial', nodes: ['edge-*'], targets: ['*:22'] }],
  ['debug', 'shell', 'worker-1', { kind: 'dial', nodes: ['worker-1'], targets: undefined }],
])('the account %s:%s on node %s gets what its rule says', async (namespace, account, node, grant) => {
  expect(await verify(await podToken(namespace, account, node))).toMatchObject({
    ...grant,
    principal: `system:serviceaccount:${namespace}:${account}`,
    tokenId: expect.stringContaining('5c2a1ae6'),
  });
});

const nothing = "this broker grants nothing to the token's subject";
const unbound = 'the token is not bound to a node, as its grant needs';

test.each<[string, () => Promise<string>, string]>([
  ['of an account that no rule names', () => podToken('default', 'default', 'edge-1'), nothing],
  ['of an account whose name begins like one', () => podToken('fairlead', 'agent2', 'edge-1'), nothing],
  ['of another namespace', () => podToken('other', 'agent', 'edge-1'), nothing],
  [
    'whose subject has a part more',
    () => podToken('ci', 'x', 'a', { sub: 'system:serviceaccount:ci:x:y' }),
    nothing,
  ],
  ['whose subject is a user', () => podToken('ci', 'x', 'a', { sub: 'system:node:edge-1' }), nothing],
  ['that is bound to no node', () => podToken('fairlead', 'agent'), unbound],
  ['bound to a node that is no name', () => podToken('fairlead', 'agent', 'Edge/1'), unbound],
  ['bound to a pattern', () => podToken('debug', 'shell', '*'), unbound],
  [
    'bound to a node that is no text',
    () => podToken('fairlead', 'agent', undefined, { 'kubernetes.io': { node: { name: ['edge-1'] } } }),
    unbound,
  ],
  [
    'that claims a grant of its own',
    () => podToken('default', 'default', 'edge-1', { fairlead: { agent: 'edge-1' } }),
    nothing,
  ],
  [
    'for the API server',
    () => podToken('fairlead', 'agent', 'edge-1', { aud: [issuer] }),
    'the token\'s claim "aud" is missing or not what this broker expects',
  ],
  [
    'of another cluster',
    () => podToken('fairlead', 'agent', 'edge-1', { iss: 'https://other' }),
    'the token\'s claim "iss" is missing or not what this broker expects',
  ],
  [
    'that never ends, as old clusters made them',
    () => podToken('fairlead', 'agent', 'edge-1', { exp: undefined }),
    'the token\'s claim "exp" is missing or not what this broker expects',
  ],
])('a token %s is refused', async (_name, make, message) => {
  await expect(verify(await make())).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED', message });
});

const entry = { jwksUrl: 'https://keys.example', issuer, audience };

test.each<[string, object, string]>([
  ['grants without an audience', { ...entry, audience: undefined, grants: rules }, 'issuer and audience'],
  ['grants without an issuer', { ...entry, issuer: undefined, grants: rules }, 'issuer and audience'],
  ['no grants in the list', { ...entry, grants: [] }, 'grants'],
  ['a rule without a subject', { ...entry, grants: [{ agent: 'a' }] }, 'a rule is'],
  ['a rule that grants nothing', { ...entry, grants: [{ sub: '*' }] }, 'a rule is'],
  ['a rule for both', { ...entry, grants: [{ sub: '*', agent: 'a', dial: ['*'] }] }, 'a rule is'],
  ['an agent of a pattern', { ...entry, grants: [{ sub: '*', agent: 'edge-*' }] }, 'lower-case letters'],
  ['routes for a dialer', { ...entry, grants: [{ sub: '*', dial: ['*'], routes: ['default'] }] }, 'routes'],
  ['a certificate for a file', { jwksFile: 'x', jwksCaFile: 'y' }, 'go with jwksUrl'],
])('a configuration with %s is refused', (_name, one, message) => {
  const text = JSON.stringify({ issuers: [one] });
  expect(() => parseAuthConfig(text)).toThrowError(
    expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining(message) }),
  );
});

// ── with an API server ─────────────────────────────────────────────────────────────────────────────

const rig = new Rig();
const undo: (() => unknown)[] = [];

beforeAll(async () => {
  const made = await rig.run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'],
    ...['-subj', '/CN=kubernetes', '-addext', 'subjectAltName=IP:127.0.0.1'],
    ...['-keyout', rig.path('tls.key'), '-out', rig.path('ca.crt')],
  ]);
  if (made.code !== 0) throw new Error(made.stderr);
});

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

afterAll(() => rig[Symbol.asyncDispose]());

async function apiServer(): Promise<string> {
  const tls = { key: readFileSync(rig.path('tls.key')), cert: readFileSync(rig.path('ca.crt')) };
  const server = createServer(tls, (request, response) => {
    const isKnown =
      request.headers.authorization === 'Bearer the-brokers-own' && request.url === '/openid/v1/jwks';
    response.writeHead(isKnown ? 200 : 401).end(isKnown ? jwkSet(cluster) : '');
  });
  server.on('tlsClientError', () => {});
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  return `https://127.0.0.1:${(server.address() as AddressInfo).port}/openid/v1/jwks`;
}

/** A broker for the cluster's tokens and for those of a secret, from a configuration file. */
async function brokerWith(more: object) {
  rig.write('secret', 'a secret for tests, long enough to sign with\n');
  rig.write('token', 'the-brokers-own\n');
  const kubernetes = { jwksUrl: await apiServer(), issuer, audience, grants: rules, ...more };
  rig.write('auth.json', JSON.stringify({ issuers: [{ secretFile: 'secret' }, kubernetes] }));
  const auth = await openAuth({ configFile: rig.path('auth.json') }, silentLog);
  undo.push(() => auth.close());
  const broker = await startBroker({ port: 0, issuers: auth.issuers });
  undo.push(() => broker.close());
  return broker;
}

test('a pod is the agent of its node with its own token, and is dialled with a token of another issuer', async () => {
  const broker = await brokerWith({ jwksCaFile: 'ca.crt', jwksTokenFile: 'token' });
  const agent = await startAgent({
    url: broker.url,
    token: await podToken('fairlead', 'agent', 'edge-7'),
    node: 'edge-7',
    allow: ['127.0.0.1:*'],
  });
  undo.push(() => agent.close());
  const secret = 'a secret for tests, long enough to sign with';
  const client = connect({ url: broker.url, token: await mintToken({ secret, dial: ['*'] }) });
  undo.push(() => client.close());
  expect(await client.nodes()).toMatchObject([{ node: 'edge-7' }]);
  const other = {
    url: broker.url,
    token: await podToken('fairlead', 'agent', 'edge-8'),
    node: 'edge-7',
    allow: [],
  };
  await expect(startAgent(other)).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
});

test.each<[string, object]>([
  ['the certificate is not of an authority that is trusted', { jwksTokenFile: 'token' }],
  ['the token is not taken there', { jwksCaFile: 'ca.crt', jwksTokenFile: 'secret' }],
  ['the certificate file is gone', { jwksCaFile: 'nope', jwksTokenFile: 'token' }],
])(
  'while the keys cannot be had because %s, peers are asked to come back, and others are let in',
  async (_name, more) => {
    const broker = await brokerWith(more);
    const ask = (token: string) =>
      fetch(`${broker.url.replace('ws', 'http')}/v1/nodes`, {
        headers: { authorization: `Bearer ${token}` },
      });
    const away = await ask(await podToken('ci', 'deploy', 'worker-1'));
    expect([away.status, away.headers.get('retry-after')]).toEqual([503, '1']);
    expect(await away.json()).toMatchObject({ error: { code: 'ERR_BROKER_UNREACHABLE' } });
    const secret = 'a secret for tests, long enough to sign with';
    expect((await ask(await mintToken({ secret, dial: ['*'] }))).status).toBe(200);
  },
);

test('a key file that is replaced is read again: the new key is taken and the old one is not', async () => {
  const [old, next] = [await makeSigner('ES256', 'old'), await makeSigner('ES256', 'new')];
  rig.write('jwks.json', jwkSet(old));
  const loaded: (() => void)[] = [];
  const log = { ...silentLog, info: () => loaded.shift()?.() };
  const auth = await openAuth({ jwks: [rig.path('jwks.json')] }, log);
  undo.push(() => auth.close());
  const taken = verifierOf(auth.issuers);
  await expect(taken(await sign(old, { kid: 'old' }))).resolves.toBeDefined();
  const again = new Promise<void>((resolve) => loaded.push(resolve));
  rig.write('jwks.json', jwkSet(next));
  await again;
  await expect(taken(await sign(next, { kid: 'new' }))).resolves.toBeDefined();
  await expect(taken(await sign(old, { kid: 'old' }))).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
});

test.each<[string, object, string]>([
  ['nothing', {}, 'no key to check tokens with'],
  ['a secret that is short', { secretFile: 'short' }, 'short: the secret has 5 bytes'],
  ['a private key', { keyFiles: ['tls.key'] }, 'tls.key: this holds a private key'],
  ['a URL in the clear', { jwks: ['http://keys.example/'] }, 'https:// only'],
  ['a file that is missing', { jwks: ['nope'] }, 'ENOENT'],
])('a broker is not started with %s', async (_name, sources, message) => {
  rig.write('short', 'short');
  const placed = Object.fromEntries(
    Object.entries(sources as Record<string, string | string[]>).map(([name, value]) => [
      name,
      typeof value === 'string'
        ? rig.path(value)
        : value.map((one) => (one.includes(':') ? one : rig.path(one))),
    ]),
  );
  await expect(openAuth(placed, silentLog)).rejects.toThrowError(message);
});
