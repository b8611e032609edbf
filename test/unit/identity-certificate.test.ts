// What a client certificate says: only names of which there is one reading, mapped by rules to exactly what they
// grant. The certificates are openssl's, the odd ones put together byte by byte.

import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { identifyByRules, namesOf } from '../../src/broker/identity-certificate.ts';
import { parseAuthConfig } from '../../src/broker/identity-config.ts';
import { Authority } from '../rig/certificates.ts';
import { Rig } from '../rig/rig.ts';

let rig: Rig;
beforeAll(() => {
  rig = new Rig();
});
afterAll(() => rig[Symbol.asyncDispose]());

let made = 0;

async function certificate(subject: string, san?: string, ...more: string[]): Promise<X509Certificate> {
  const path = rig.path(`made-${made++}.pem`);
  const { code, stderr } = await rig.run('openssl', [
    ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-utf8'],
    ...['-keyout', rig.path('key'), '-out', path, '-days', '2', '-subj', subject],
    ...(san === undefined ? [] : ['-addext', `subjectAltName=${san}`]),
    ...more,
  ]);
  if (code !== 0) throw new Error(stderr);
  return new X509Certificate(readFileSync(path));
}

/** A SAN of these very bytes: tag and content for each name. */
function rawSan(...names: [tag: number, content: string | Buffer][]): string {
  const encoded = Buffer.concat(
    names.map(([tag, content]) => Buffer.concat([Buffer.from([tag, content.length]), Buffer.from(content)])),
  );
  return `DER:30:${Buffer.from([encoded.length]).toString('hex')}:${encoded.toString('hex').replace(/(..)(?=.)/g, '$1:')}`;
}

const [emailTag, dnsTag, uriTag] = [0x81, 0x82, 0x86];

function rules(...grants: object[]) {
  const { certificates } = parseAuthConfig(JSON.stringify({ certificates: { grants } }));
  if (certificates === undefined) throw new Error('no certificates');
  return identifyByRules(certificates);
}

test('a SPIFFE name, a kubelet, a host and a person are each told by the name that their rule is about', async () => {
  const identify = rules(
    { uri: 'spiffe://fleet/agent/*', agent: '{1}', routes: ['10.0.0.0/8'] },
    { cn: 'system:node:*', organization: 'system:nodes', agent: '{1}', routes: ['default'] },
    { dns: '*.*.example', agent: '{2}-{1}' },
    { email: '*@ops.example', dial: ['edge-*'], targets: ['*:22'] },
    { cn: 'ci-*', dial: ['{1}', 'shared'] },
  );
  const spiffe = await certificate('/O=x', 'URI:spiffe://fleet/agent/edge-1,DNS:ignored.here');
  expect(identify(spiffe)).toEqual({
    kind: 'agent',
    node: 'edge-1',
    routes: ['10.0.0.0/8'],
    principal: 'cert:spiffe://fleet/agent/edge-1',
    expiresAt: Date.parse(spiffe.validTo),
    tokenId: `sha256:${spiffe.fingerprint256.replaceAll(':', '').toLowerCase()}`,
    serial: `serial:${spiffe.serialNumber}`,
  });
  const kubelet = await certificate('/O=system:nodes/CN=system:node:worker-7');
  expect(identify(kubelet)).toMatchObject({
    kind: 'agent',
    node: 'worker-7',
    routes: ['default'],
    principal: 'cert:system:node:worker-7',
  });
  expect(identify(await certificate('/CN=x', 'DNS:a.site.example'))).toMatchObject({ node: 'site-a' });
  expect(identify(await certificate('/CN=x', 'email:alice@ops.example'))).toMatchObject({
    kind: 'dial',
    principal: 'cert:alice@ops.example',
    nodes: ['edge-*'],
    targets: ['*:22'],
  });
  expect(identify(await certificate('/CN=ci-42'))).toMatchObject({
    nodes: ['42', 'shared'],
    targets: undefined,
  });
});

const one = { cn: 'ops-*', dial: ['edge-*'] };
const nothing = 'this broker grants nothing to the names in the client certificate';

test.each<[why: string, rule: object, subject: string, san: string | undefined, message: string]>([
  ['no rule is about its name', one, '/CN=dev-1', undefined, nothing],
  ['it has the name in another case', one, '/CN=OPS-1', undefined, nothing],
  ['it has the name in another field', one, '/O=ops-1', 'DNS:ops-1,email:ops-1@x.y', nothing],
  ['it has no subject', one, '/', undefined, nothing],
  ['a star would reach into the next segment', one, '/CN=ops-1:root', undefined, nothing],
  ['it has two common names', one, '/CN=ops-1/CN=ops-2', undefined, nothing],
  ['its common name is part of a multi-valued RDN', one, '/CN=ops-1+O=x', undefined, nothing],
  ['its common name is not ASCII', one, '/CN=ops-é', undefined, nothing],
  ['its common name has a space at the end', one, '/CN=ops-1 ', undefined, nothing],
  ['its common name has a new line', one, '/CN=ops-1\n', undefined, nothing],
  ['the organization is another', { ...one, organization: 'a' }, '/O=b/CN=ops-1', undefined, nothing],
  ['the organization is only like it', { ...one, organization: 'a' }, '/O=a /CN=ops-1', undefined, nothing],
  [
    'two of its names fit',
    { uri: 'a://*', agent: '{1}' },
    '/CN=x',
    'URI:a://b,URI:a://c',
    'several names of the client certificate fit one rule',
  ],
  [
    'the part that should name a node is a pattern',
    { cn: 'node:*', dial: ['{1}'] },
    '/CN=node:*',
    undefined,
    'is no node name',
  ],
  ['that part is empty', { cn: 'node:*', agent: '{1}' }, '/CN=node:', undefined, 'is no node name'],
  ['that part has capitals', { cn: 'node:*', agent: '{1}' }, '/CN=node:A', undefined, 'is no node name'],
])('a certificate is granted nothing where %s', async (_, rule, subject, san, message) => {
  const shown = await certificate(subject, san, ...(subject.includes('+') ? ['-multivalue-rdn'] : []));
  expect(() => rules(rule)(shown)).toThrowError(message);
});

test('a comma, a plus and a quotation mark in a common name are what they are', async () => {
  const shown = await certificate('/O=Acme\\, Inc./CN=a\\+b\\, "c"');
  expect(namesOf(shown)).toMatchObject({ cn: ['a+b, "c"'], organization: ['Acme, Inc.'] });
});

test('no name can pass for another: what Node would have to quote or escape is not taken', async () => {
  const evil = 'x.y, DNS:edge-1.example';
  for (const san of [
    rawSan([dnsTag, evil]),
    rawSan([dnsTag, 'edge-1.example\0.evil']),
    rawSan([uriTag, 'spiffe://a/b, URI:spiffe://fleet/agent/edge-1']),
    rawSan([uriTag, 'spiffe://fleet/agent/edge-1\0']),
    rawSan([uriTag, 'spiffe://fleet/agent/edge-1\n']),
    rawSan([emailTag, 'a@b", email:"root@ops.example']),
    rawSan([dnsTag, Buffer.from('edgé.example', 'latin1')]),
    rawSan([dnsTag, "edge'.example"], [dnsTag, 'x"']),
    rawSan([dnsTag, 'edge-1.example '], [dnsTag, ' edge-1.example']),
  ]) {
    const { dns, uri, email } = namesOf(await certificate('/CN=x', san));
    expect({ dns, uri, email }).toEqual({ dns: [], uri: [], email: [] });
  }
  // Names of other kinds are not in the way, and an address is no host name.
  const mixed = namesOf(await certificate('/CN=x', 'IP:10.0.0.1,RID:1.2.3,DNS:a.b,otherName:1.2.3;UTF8:DNS'));
  expect(mixed).toMatchObject({ dns: ['a.b'], uri: [], email: [] });
});

test('a NUL in a common name does not cut it short', async () => {
  const shown = await certificate('/CN=ops-1XrestXrest');
  const raw = Buffer.from(shown.raw);
  for (let at = raw.indexOf('ops-1X'); at !== -1; at = raw.indexOf('ops-1X')) raw[at + 5] = 0;
  const patched = new X509Certificate(raw);
  expect(JSON.stringify(patched.toLegacyObject().subject)).toContain('\\u0000');
  expect(namesOf(patched).cn).toEqual([]);
  expect(() => rules(one)(patched)).toThrowError(nothing);
});

test('an expired certificate is refused, whoever has verified it', async () => {
  const authority = await Authority.create(rig, 'authority');
  const { cert } = await authority.issue('ops-1', { notAfter: new Date(Date.now() - 60_000) });
  const shown = new X509Certificate(readFileSync(cert));
  expect(namesOf(shown).cn).toEqual(['ops-1']);
  expect(() => rules(one)(shown)).toThrowError('the client certificate has expired');
});

test.each<[what: string, certificates: unknown, message: string]>([
  ['no rules', { grants: [] }, 'certificates.grants'],
  ['a field that does not exist', { grants: [one], caFile: 'x' }, 'certificates'],
  ['a rule about no name', { grants: [{ dial: ['*'] }] }, 'a rule is about one name'],
  ['a rule about two names', { grants: [{ ...one, dns: 'x' }] }, 'a rule is about one name'],
  ['a rule with agent and dial', { grants: [{ ...one, agent: 'x' }] }, 'a rule is {NAME:PATTERN'],
  ['a rule that grants nothing', { grants: [{ cn: 'x' }] }, 'a rule is {NAME:PATTERN'],
  ['two stars in a segment', { grants: [{ cn: 'a*b*', dial: ['x'] }] }, '"*" may stand once between two ":"'],
  ['a part that nothing stands for', { grants: [{ cn: 'a:*', agent: '{2}' }] }, '"{2}" stands for nothing'],
  ['part 0', { grants: [{ cn: 'a:*', agent: '{0}' }] }, '"{0}" stands for nothing'],
  ['a part of no pattern', { grants: [{ cn: 'a', agent: '{1}' }] }, '"{1}" stands for nothing'],
  ['a node that is none', { grants: [{ cn: 'a', agent: 'Edge 1' }] }, 'grants.0.agent: a node name'],
  ['a pattern for an agent', { grants: [{ cn: 'a', agent: 'edge-*' }] }, 'grants.0.agent: a node name'],
  ['a name that is never taken', { grants: [{ cn: 'é*', dial: ['x'] }] }, 'grants.0.cn: printable ASCII'],
  ['a route that is none', { grants: [{ cn: 'a', agent: 'x', routes: ['a b'] }] }, 'a rule is {NAME:PATTERN'],
])('a configuration with %s is refused, and says where', (_, certificates, message) => {
  expect(() => parseAuthConfig(JSON.stringify({ certificates }))).toThrowError(message);
});

test('a configuration of nothing is refused', () => {
  expect(() => parseAuthConfig('{}')).toThrowError('neither "issuers" nor "certificates"');
});
