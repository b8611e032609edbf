// Who is told the status without a token: somebody at this very machine, and nobody else who can make a browser or a
// proxy on it ask.

import { request } from 'node:http';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { type Broker, type BrokerOptions, type MintOptions, mintToken } from '../../src/broker/index.ts';
import type { Status } from '../../src/protocol/status.ts';
import { opened, secret, start } from './started-broker.ts';

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

function ask(broker: Broker, path: string, headers: Record<string, string> = {}): Promise<Answer> {
  const { address, port } = broker.address;
  return new Promise((resolve, reject) => {
    request({ host: address, port, path, headers }, async (response) => {
      let body = '';
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
    })
      .on('error', reject)
      .end();
  });
}

async function withNode(options: Partial<BrokerOptions> = {}): Promise<Broker> {
  const broker = await start(options);
  const headers = { authorization: `Bearer ${await mintToken({ secret, agent: 'a.b' })}` };
  const peer = new WebSocket(`${broker.url}/v1/agent?node=a.b&instance=one`, 'fairlead.v1', { headers });
  opened.push({ close: () => peer.terminate() });
  await new Promise((resolve) => peer.once('message', resolve));
  return broker;
}

async function bearer(grant: Partial<MintOptions>): Promise<Record<string, string>> {
  return { authorization: `Bearer ${await mintToken({ secret, ...grant } as MintOptions)}` };
}

test('whoever asks from loopback, in its name, sees every node', async () => {
  const broker = await withNode();
  for (const host of ['127.0.0.1', '127.0.0.2:80', 'localhost', 'LOCALHOST:8080', '[::1]:1']) {
    const { status, body, headers } = await ask(broker, '/v1/status', { host });
    expect([host, status]).toEqual([host, 200]);
    expect((JSON.parse(body) as Status).nodes.map(({ node }) => node)).toEqual(['a.b']);
    expect(headers).toMatchObject({
      'cache-control': 'no-store',
      'x-content-type-options': 'nosniff',
      'cross-origin-resource-policy': 'same-origin',
    });
    expect(headers['access-control-allow-origin']).toBeUndefined();
  }
  expect((await ask(broker, '/v1/status', { 'sec-fetch-site': 'same-origin' })).status).toBe(200);
});

test.each([
  ['under a name that was made to mean this machine', { host: 'evil.example' }],
  ['under a name that begins like it', { host: '127.0.0.1.evil.example' }],
  ['under a name that ends like it', { host: 'localhost.evil.example:8080' }],
  ['for a page of another site', { 'sec-fetch-site': 'cross-site' }],
  ['for a page of another port', { 'sec-fetch-site': 'same-site' }],
  ['through a proxy', { 'x-forwarded-for': '203.0.113.7' }],
  ['through a proxy that says so otherwise', { forwarded: 'for=203.0.113.7' }],
])('who asks %s needs a token', async (_, headers: Record<string, string>) => {
  const broker = await withNode();
  const without = await ask(broker, '/v1/status', headers);
  expect(without.status).toBe(401);
  expect(without.body).not.toContain('a.b');
  const dial = await bearer({ dial: ['a.*'] });
  expect((await ask(broker, '/v1/status', { ...headers, ...dial })).status).toBe(200);
});

test('a page of another site is refused, with or without a token', async () => {
  const broker = await withNode();
  const headers = { origin: 'http://evil.example', ...(await bearer({ dial: ['*'] })) };
  expect((await ask(broker, '/v1/status', headers)).status).toBe(403);
  expect((await ask(broker, '/v1/status', { origin: 'http://evil.example' })).status).toBe(403);
});

test('a page of another site that is let in needs a token of its own, on this machine, too', async () => {
  const broker = await withNode({ allowOrigins: ['https://dashboard.example'] });
  const headers = { origin: 'https://dashboard.example' };
  expect((await ask(broker, '/v1/status', headers)).status).toBe(401);
  expect((await ask(broker, '/v1/status', { ...headers, ...(await bearer({ dial: ['*'] })) })).status).toBe(
    200,
  );
});

test('a token that is shown is what counts, on loopback too', async () => {
  const broker = await withNode();
  expect((await ask(broker, '/v1/status', { authorization: 'Bearer word' })).status).toBe(401);
  expect((await ask(broker, '/v1/status', await bearer({ agent: 'a.b' }))).status).toBe(403);
  const other = await ask(broker, '/v1/status', await bearer({ dial: ['other'] }));
  expect([other.status, (JSON.parse(other.body) as Status).nodes]).toEqual([200, []]);
});

test('behind a trusted proxy on this machine nobody is here', async () => {
  const broker = await withNode({ trustedProxies: ['127.0.0.1'] });
  expect((await ask(broker, '/v1/status')).status).toBe(401);
});

test.each([
  ['token', 200, 401],
  ['off', 404, 401],
] as const)(
  'with --status-page %s the page answers %i, and the data without a token %i',
  async (mode, page, data) => {
    const broker = await withNode({ statusPage: mode });
    expect((await ask(broker, '/')).status).toBe(page);
    expect((await ask(broker, '/v1/status')).status).toBe(data);
    expect((await ask(broker, '/v1/status', await bearer({ dial: ['a.b'] }))).status).toBe(200);
  },
);

test('the page comes with a policy that lets it do nothing but ask where it came from', async () => {
  const broker = await start();
  const { headers, body } = await ask(broker, '/');
  const policy = String(headers['content-security-policy']);
  expect(policy.split('; ').toSorted()).toEqual([
    "base-uri 'none'",
    "connect-src 'self'",
    "default-src 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    'img-src data:',
    "require-trusted-types-for 'script'",
    expect.stringMatching(/^script-src 'sha256-[^']+'$/),
    expect.stringMatching(/^style-src 'sha256-[^']+'$/),
    "trusted-types 'none'",
  ]);
  expect(headers).toMatchObject({
    'content-type': 'text/html; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'referrer-policy': 'no-referrer',
    'cross-origin-opener-policy': 'same-origin',
  });
  expect(headers['set-cookie']).toBeUndefined();
  // One document: nothing else is fetched for it.
  expect(body).not.toMatch(/(src|href)="(?!data:)/);
  expect(Buffer.byteLength(body)).toBeLessThan(64_000);
});

test('a long status is compressed for whoever takes that, and for nobody else', async () => {
  const broker = await withNode();
  for (let i = 0; i < 12; i++) {
    const headers = await bearer({ agent: `node-${i}` });
    const query = `node=node-${i}&instance=one&labels=${encodeURIComponent(`note=${'x'.repeat(60)}`)}`;
    const peer = new WebSocket(`${broker.url}/v1/agent?${query}`, 'fairlead.v1', { headers });
    opened.push({ close: () => peer.terminate() });
    await new Promise((resolve) => peer.once('message', resolve));
  }
  const encoding = async (accepted: string) =>
    (await ask(broker, '/v1/status', { 'accept-encoding': accepted })).headers['content-encoding'];
  for (const accepted of ['gzip', 'gzip, deflate, br', 'br;q=1.0, gzip;q=0.8', 'deflate,GZIP'])
    expect([accepted, await encoding(accepted)]).toEqual([accepted, 'gzip']);
  for (const accepted of ['identity', '', 'gzip;q=0', 'br, gzip;q=0.0', 'xgzip', 'gzipped'])
    expect([accepted, await encoding(accepted)]).toEqual([accepted, undefined]);
  const plain = await ask(broker, '/v1/status');
  expect((JSON.parse(plain.body) as Status).nodes).toHaveLength(13);
  expect(plain.headers.vary).toBe('authorization, accept-encoding');
});
