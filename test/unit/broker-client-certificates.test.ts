// A broker that asks for client certificates: who is let in by one, who is not and what he is told, and what becomes
// of a link when its certificate is revoked, ends, or is no longer one of a trusted authority.

import { X509Certificate } from 'node:crypto';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { connect as connectTls } from 'node:tls';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import WebSocket from 'ws';
import { startAgent } from '../../src/agent/index.ts';
import { identifyByRules } from '../../src/broker/identity-certificate.ts';
import { parseAuthConfig } from '../../src/broker/identity-config.ts';
import { parseDenyList, Revocations } from '../../src/broker/identity-deny.ts';
import { mintToken, startBroker } from '../../src/broker/index.ts';
import { connect } from '../../src/client/index.ts';
import type { CertificateMaterial } from '../../src/files/followed-certificate.ts';
import type { BrokerAccess } from '../../src/link/broker-access.ts';
import { Authority, type Issued, selfSigned } from '../rig/certificates.ts';
import { Rig } from '../rig/rig.ts';
import { connectTo, listen } from '../rig/targets.ts';

const secret = 'a secret for tests, long enough to sign with';
const grants = [
  { uri: 'spiffe://fleet/agent/*', agent: '{1}', routes: ['default'] },
  { cn: 'ops-*', dial: ['edge-*'], targets: ['127.0.0.1:*'] },
];

let rig: Rig;
let ca: Authority;
let other: Authority;
let issued: Readonly<
  Record<'server' | 'agent' | 'ops' | 'stranger' | 'expired' | 'web' | 'selfMade', Issued>
>;

beforeAll(async () => {
  rig = new Rig();
  ca = await Authority.create(rig, 'ca');
  other = await Authority.create(rig, 'other');
  issued = {
    server: await ca.issue('server', { san: 'IP:127.0.0.1' }),
    agent: await ca.issue('agent', { san: 'URI:spiffe://fleet/agent/edge-1', usage: 'clientAuth' }),
    ops: await ca.issue('ops', { subject: '/CN=ops-1' }),
    stranger: await other.issue('stranger', { subject: '/CN=ops-1' }),
    expired: await ca.issue('expired', { subject: '/CN=ops-1', notAfter: new Date(Date.now() - 60_000) }),
    web: await ca.issue('web', { subject: '/CN=ops-1', usage: 'serverAuth' }),
    selfMade: await selfSigned(rig, 'ops-1', 'DNS:x'),
  };
});
afterAll(() => rig[Symbol.asyncDispose]());

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

function pem({ cert, key }: Issued) {
  return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') };
}

async function start(limits: { readonly drainMs?: number } = {}) {
  const { certificates } = parseAuthConfig(JSON.stringify({ certificates: { grants } }));
  if (certificates === undefined) throw new Error('no certificates');
  const revocations = new Revocations();
  let change: ((material: CertificateMaterial) => void) | undefined;
  const server = { ...pem(issued.server), expiresAt: Number.POSITIVE_INFINITY };
  const lines: string[] = [];
  const write = (fields: object) => lines.push(JSON.stringify(fields));
  const broker = await startBroker({
    ...limits,
    port: 0,
    secret,
    identify: identifyByRules(certificates),
    revocations,
    tls: {
      ...server,
      ca: [readFileSync(ca.cert, 'utf8')],
      onChanged(listener) {
        change = listener;
        return () => {};
      },
    },
    log: { info: write, warn: write, error: write },
  });
  undo.push(() => broker.close());
  const { port } = broker.address;
  return {
    broker,
    port,
    lines,
    deny: (list: string) => revocations.replace(parseDenyList(list)),
    trust: (authority: Authority) => change?.({ ...server, ca: [readFileSync(authority.cert, 'utf8')] }),
    access: (who: Issued) => ({
      url: broker.url,
      ca: readFileSync(ca.cert, 'utf8'),
      certificate: pem(who),
    }),
  };
}

/** What the broker answers at a path. */
async function ask(port: number, path: string, who?: Issued, token?: string, agent?: Agent) {
  const asking = request({
    ...{ host: '127.0.0.1', port, path, ca: readFileSync(ca.cert), agent: agent ?? false },
    ...(who === undefined ? {} : pem(who)),
    headers: token === undefined ? {} : { authorization: token },
  });
  asking.end();
  const [response] = await once(asking, 'response');
  let body = '';
  for await (const chunk of response) body += chunk;
  return { status: response.statusCode as number, body: JSON.parse(body) };
}

async function startEdge(access: BrokerAccess) {
  const agent = await startAgent({ ...access, node: 'edge-1', allow: ['127.0.0.0/8:*'] });
  undo.push(() => agent.close());
  return agent;
}

test('agent and dialer need no token: their certificates say who they are, and what they may', async () => {
  const { broker, port, access, lines } = await start();
  await startEdge(access(issued.agent));
  const echo = await listen(rig, (socket) => socket.pipe(socket));
  const client = connect(access(issued.ops));
  undo.push(() => client.close());
  const socket = await client.dial({ node: 'edge-1', host: '127.0.0.1', port: echo });
  socket.write('through');
  const [chunk] = await once(socket, 'data');
  expect(String(chunk)).toBe('through');
  undo.push(() => socket.destroy());
  const links = [...broker.relay.switchboard.links()].map(({ tag }) => tag);
  expect(links.map(({ principal }) => principal).sort()).toEqual([
    'cert:ops-1',
    'cert:spiffe://fleet/agent/edge-1',
  ]);
  const { validTo, serialNumber } = new X509Certificate(readFileSync(issued.agent.cert));
  expect(links.find(({ kind }) => kind === 'agent')).toMatchObject({
    expiresAt: Date.parse(validTo),
    serial: `serial:${serialNumber}`,
  });
  await expect(client.dial({ node: 'edge-1', host: '127.0.0.2', port: echo })).rejects.toMatchObject({
    code: 'ERR_GRANT_DENIED',
  });

  // The lists answer to certificates as to tokens.
  expect(await client.nodes()).toMatchObject([{ node: 'edge-1' }]);
  expect(await client.resolve('edge-1')).toMatchObject([{ node: 'edge-1' }]);
  expect((await ask(port, '/v1/nodes/edge-1', issued.ops)).body).toMatchObject({ node: 'edge-1' });
  expect(await ask(port, '/v1/nodes/other', issued.ops)).toMatchObject({ status: 403 });
  expect(await ask(port, '/v1/nodes', issued.agent)).toMatchObject({ status: 403 });
  expect(lines.join()).not.toContain('PRIVATE KEY');
});

test.each<[what: string, who: keyof typeof issued | undefined, message: string]>([
  ['no certificate', undefined, 'a token is needed'],
  ["another authority's certificate", 'stranger', 'no authority that is trusted here has issued it'],
  ['a certificate that has expired', 'expired', 'it has expired'],
  ['a certificate for servers only', 'web', 'it is for something else'],
  ['a certificate of its own making', 'selfMade', 'it is self-signed'],
  ['a certificate whose names grant nothing', 'server', 'this broker grants nothing to the names'],
])('%s is refused at the lists and at links, in words', async (_, who, message) => {
  const { broker, port } = await start();
  for (const path of ['/v1/nodes', '/v1/nodes/edge-1', '/v1/resolve?host=edge-1']) {
    const refused = await ask(port, path, who === undefined ? undefined : issued[who]);
    expect(refused).toMatchObject({ status: 401, body: { error: { code: 'ERR_UNAUTHORIZED' } } });
    expect(refused.body.error.message).toContain(message);
  }
  const socket = new WebSocket(`${broker.url}/v1/dial?node=edge-1&session=0123456789abcdef`, 'fairlead.v1', {
    ca: readFileSync(ca.cert),
    ...(who === undefined ? {} : pem(issued[who])),
  });
  const [, response] = await once(socket, 'unexpected-response');
  expect(response.statusCode).toBe(401);
  response.resume();
  expect([...broker.relay.switchboard.links()]).toEqual([]);
  // And it goes on serving.
  expect(await ask(port, '/v1/nodes', issued.ops)).toMatchObject({ status: 200 });
});

test('a certificate opens what it grants, and nothing else', async () => {
  const { access } = await start();
  const forNode = (node: string, who: Issued) => startAgent({ ...access(who), node, allow: ['*:*'] });
  await expect(forNode('edge-2', issued.agent)).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
  await expect(forNode('edge-1', issued.ops)).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
  const client = connect(access(issued.agent));
  undo.push(() => client.close());
  await expect(client.dial({ node: 'edge-1', host: '127.0.0.1', port: 1 })).rejects.toMatchObject({
    code: 'ERR_FORBIDDEN',
  });
});

test('where a token is given it alone counts, good or not', async () => {
  const { port } = await start();
  const bearer = async (dial: string[]) => `Bearer ${await mintToken({ secret, dial, subject: 'alice' })}`;
  // The token's grants, not the certificate's; and no need for the certificate to be good.
  expect(await ask(port, '/v1/nodes/other', issued.ops, await bearer(['other']))).toMatchObject({
    status: 404,
  });
  expect(await ask(port, '/v1/nodes/edge-1', issued.ops, await bearer(['other']))).toMatchObject({
    status: 403,
  });
  expect(await ask(port, '/v1/nodes', issued.stranger, await bearer(['*']))).toMatchObject({ status: 200 });
  for (const token of ['Bearer no.good.token', 'Basic b3BzOng=', ''])
    expect(await ask(port, '/v1/nodes', issued.ops, token)).toMatchObject({ status: 401 });
});

test.each([
  ['serial number', (certificate: X509Certificate) => `jti serial:${certificate.serialNumber}`],
  [
    'fingerprint',
    (certificate: X509Certificate) =>
      `jti sha256:${certificate.fingerprint256.replaceAll(':', '').toLowerCase()}`,
  ],
  ['name', () => 'sub cert:spiffe://fleet/agent/edge-1'],
  ['node', () => 'node edge-1'],
])('a certificate that is revoked by its %s is refused, and its link closed', async (_, line) => {
  const { port, access, deny, lines } = await start();
  await startEdge(access(issued.agent));
  deny(line(new X509Certificate(readFileSync(issued.agent.cert))));
  const closed = lines.find((text) => text.includes('"link-closed"'));
  expect(closed).toContain('"code":4401,"reason":"the certificate was revoked"');
  await expect(startAgent({ ...access(issued.agent), node: 'edge-1', allow: ['*:*'] })).rejects.toMatchObject(
    { code: 'ERR_UNAUTHORIZED', message: expect.stringContaining('was revoked') },
  );
  expect(await ask(port, '/v1/nodes', issued.ops)).toMatchObject({ status: 200 });
});

test('an authority that is taken out lets nobody in: not on connections that stand, nor by resumption', async () => {
  const { port, trust } = await start();
  const kept = new Agent({ keepAlive: true, maxSockets: 1 });
  undo.push(() => kept.destroy());
  expect(await ask(port, '/v1/nodes', issued.ops, undefined, kept)).toMatchObject({ status: 200 });
  const session = rig.path('session');
  const resume = async (...args: string[]) => {
    const asked = 'GET /v1/nodes HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n';
    const { stdout } = await rig.run(
      'openssl',
      [
        ...['s_client', '-ign_eof', '-connect', `127.0.0.1:${port}`, ...args],
        ...['-cert', issued.ops.cert, '-key', issued.ops.key],
      ],
      asked,
    );
    const said = stdout.toString();
    return [/^(New|Reused), /m.exec(said)?.[1], /HTTP\/1.1 (\d+)/.exec(said)?.[1]];
  };
  expect(await resume('-sess_out', session)).toEqual(['New', '200']);
  expect(await resume('-sess_in', session)).toEqual(['Reused', '200']);
  trust(other);
  expect(await resume('-sess_in', session)).toEqual(['New', '401']);
  const stale = await ask(port, '/v1/nodes', issued.ops, undefined, kept);
  expect(stale).toMatchObject({
    status: 401,
    body: { error: { message: expect.stringContaining('changed') } },
  });
  expect(await ask(port, '/v1/nodes', issued.ops)).toMatchObject({ status: 401 });
  // Those of the new authority come in.
  expect(await ask(port, '/v1/nodes', issued.stranger)).toMatchObject({ status: 200 });
});

test('a handshake that began before its authority was taken out lets nobody in', async () => {
  const { port, trust } = await start();
  const began = connectTo(port);
  await once(began, 'connect');
  // Connections are accepted in their order.
  expect(await ask(port, '/v1/nodes', issued.ops)).toMatchObject({ status: 200 });
  trust(other);
  const socket = connectTls({
    socket: began,
    ca: readFileSync(ca.cert),
    ...pem(issued.ops),
    host: '127.0.0.1',
  });
  undo.push(() => socket.destroy());
  await once(socket, 'secureConnect');
  socket.write('GET /v1/nodes HTTP/1.1\r\nhost: x\r\n\r\n');
  const [answer] = await once(socket, 'data');
  expect(String(answer)).toMatch(/^HTTP\/1.1 401 [\s\S]*have changed: connect again/);
});

test('links of an authority that is taken out are asked to come again, and closed where they do not', async () => {
  const { broker, access, trust, lines } = await start({ drainMs: 0 });
  const refused: string[] = [];
  const warn = (fields: object) => refused.push(JSON.stringify(fields));
  const log = { debug() {}, info() {}, warn, error: warn };
  await startEdge({ ...access(issued.agent), log } as BrokerAccess);
  const token = await mintToken({ secret, dial: ['edge-1'], subject: 'alice' });
  const client = connect({ ...access(issued.ops), token });
  undo.push(() => client.close());
  const port = await listen(rig, (socket) => socket.pipe(socket));
  const socket = await client.dial({ node: 'edge-1', host: '127.0.0.1', port });
  undo.push(() => socket.destroy());
  trust(other);
  // As the broker's own timer does, only sooner.
  broker.relay.expire(Date.now());
  const links = [...broker.relay.switchboard.links()].map(({ tag }) => tag.kind);
  expect(links).toEqual(['dial']);
  expect(lines.filter((line) => line.includes('"link-closed"'))).toEqual([
    expect.stringContaining('"kind":"agent"'),
  ]);
  await expect.poll(() => refused.join()).toContain('ERR_UNAUTHORIZED');
  // Taken in again, it comes back by itself.
  trust(ca);
  await expect
    .poll(() => [...broker.relay.switchboard.links()].map(({ tag }) => tag.kind).sort(), { timeout: 15_000 })
    .toEqual(['agent', 'dial']);
});

test('a link whose certificate has ended is closed, and the log says what has ended', async () => {
  const { broker, access, lines } = await start();
  await startEdge(access(issued.agent));
  const { validTo } = new X509Certificate(readFileSync(issued.agent.cert));
  broker.relay.expire(Date.parse(validTo) - 1000);
  expect(lines.join()).not.toContain('"link-closed"');
  broker.relay.expire(Date.parse(validTo));
  expect(lines.find((line) => line.includes('"link-closed"'))).toContain(
    '"code":4401,"reason":"the certificate has expired"',
  );
});

test('authorities without rules and rules without authorities are no configuration', async () => {
  const tls = pem(issued.server);
  const authorities = [readFileSync(ca.cert, 'utf8')];
  const { certificates } = parseAuthConfig(JSON.stringify({ certificates: { grants } }));
  const identify = certificates && identifyByRules(certificates);
  for (const options of [{ tls: { ...tls, ca: authorities } }, { tls, identify }, { identify }])
    await expect(startBroker({ port: 0, secret, ...options })).rejects.toMatchObject({ code: 'ERR_CONFIG' });
});
