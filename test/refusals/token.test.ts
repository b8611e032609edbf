// Tokens that are not to be believed, shown to a real broker twice: in a header, and in a REAUTH on a link that is
// open. Each is refused with its message, and good ones are taken after all of them.

import { createHmac, createSign, generateKeyPairSync, sign } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { fixedKeys, publicKeys } from '../../src/broker/identity-keys.ts';
import { type Broker, mintToken, startBroker } from '../../src/broker/index.ts';
import { encodeControl } from '../../src/protocol/control.ts';
import { frameTypes } from '../../src/protocol/frame.ts';
import { patient } from './broker-under-fire.ts';
import { RawPeer } from './raw-peer.ts';
import { type TokenRow, tokenRows } from './token-rows.ts';

const secret = 'a secret of the refusals, long enough for HS256';
const ed = generateKeyPairSync('ed25519');
const es = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const esPublic = es.publicKey.export({ type: 'spki', format: 'pem' }).toString();

let broker: Broker;
let good: string;
beforeAll(async () => {
  const edKeys = JSON.stringify({ keys: [{ ...ed.publicKey.export({ format: 'jwk' }), kid: 'ed-1' }] });
  const issuers = [
    { keys: fixedKeys(await publicKeys(edKeys)), issuer: 'https://ci.example', audience: 'fairlead' },
    { keys: fixedKeys(await publicKeys(esPublic)), issuer: 'https://ops.example' },
  ];
  broker = await startBroker({ secret, issuers, port: 0, ...patient });
  good = await mintToken({ secret, dial: ['edge-*'], subject: 'alice' });
});
afterAll(() => broker.close());

const part = (text: string) => Buffer.from(text, 'latin1').toString('base64url');
const json = (value: object | string) => (typeof value === 'string' ? value : JSON.stringify(value));

function tokenOf(row: TokenRow): string {
  if (row.text !== undefined) return row.text;
  const standard = { sub: 'alice', exp: Math.floor(Date.now() / 1000) + 60, fairlead: { dial: ['edge-*'] } };
  const claims = row.payload ?? JSON.stringify({ ...standard, ...row.claims });
  const signed = `${part(json(row.header ?? { alg: 'HS256' }))}.${part(claims)}`;
  return `${signed}.${signatureOf(row.sign ?? 'secret', signed)}`;
}

function signatureOf(by: NonNullable<TokenRow['sign']>, text: string): string {
  const hmac = (key: string) => createHmac('sha256', key).update(text).digest('base64url');
  if (by === 'nothing') return '';
  if (by === 'ed') return sign(null, Buffer.from(text), ed.privateKey).toString('base64url');
  if (by === 'es') {
    const key = { key: es.privateKey, dsaEncoding: 'ieee-p1363' } as const;
    return createSign('sha256').update(text).sign(key).toString('base64url');
  }
  return hmac({ secret, stranger: `${secret} of another`, 'es-public-as-secret': esPublic }[by]);
}

const nodesUrl = () => `${broker.url.replace('ws', 'http')}/v1/nodes`;

async function shown(token: string): Promise<{ status: number; message: string }> {
  const response = await fetch(nodesUrl(), { headers: { authorization: `Bearer ${token}` } });
  const body = (await response.json()) as { error?: { message: string } };
  return { status: response.status, message: body.error?.message ?? '' };
}

/** What a header can carry, and the broker's header has no other characters. */
const isHeaderText = (token: string) => /^[A-Za-z0-9._~+/=-]+$/.test(token);

test.each(tokenRows)('$name', async (row) => {
  const token = tokenOf(row);
  if (isHeaderText(token)) {
    const { status, message } = await shown(token);
    expect(status).toBe(401);
    expect(message).toContain(row.says);
  }
  const peer = await RawPeer.join(broker.url, '/v1/dial?node=edge-1&session=00000000000000ff', good);
  peer.send(encodeControl(frameTypes.REAUTH, 0n, { token }));
  const { code, reason } = await peer.closed;
  const isMalformed = token === '' || token.length > 8192;
  expect(code).toBe(isMalformed ? 4400 : 4401);
  expect(reason).toContain(isMalformed ? 'wrong shape' : row.says);
});

test('after all of them good tokens of every kind are taken', async () => {
  const ci = { iss: 'https://ci.example', aud: 'fairlead' };
  const rows: Partial<TokenRow>[] = [
    {},
    { header: { alg: 'EdDSA', kid: 'ed-1' }, claims: ci, sign: 'ed' },
    { header: { alg: 'ES256' }, claims: { iss: 'https://ops.example' }, sign: 'es' },
  ];
  for (const row of rows) expect((await shown(tokenOf({ name: '', says: '', ...row }))).status).toBe(200);
});
