// The status page of a gateway: whom it tells what, and what it counts. A real broker, agent and gateway in this process.

import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type RequestOptions, request } from 'node:http';
import { type AddressInfo, connect as connectTcp, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import { type Broker, type MintOptions, mintToken } from '../../src/broker/index.ts';
import { connect } from '../../src/client/index.ts';
import { type GatewayOptions, startGateway } from '../../src/gateway/index.ts';
import type { ShownStatus } from '../../src/protocol/status.ts';
import { opened, secret, start } from './started-broker.ts';

const loopback = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;

interface Started {
  readonly broker: Broker;
  /** Of HTTP CONNECT, and of the status page. */
  readonly ports: readonly number[];
}

async function startAll(more: Partial<GatewayOptions> = {}): Promise<Started> {
  const broker = await start();
  for (const node of ['edge-1', 'core-1']) {
    const token = await mintToken({ secret, agent: node });
    opened.push(await startAgent({ url: broker.url, token, node, allow: ['127.0.0.1:*'] }));
  }
  const client = connect({ url: broker.url, token: await mintToken({ secret, dial: ['*'] }) });
  opened.push(client);
  const gateway = await startGateway({
    broker: client,
    httpConnect: [loopback],
    statusPage: [loopback],
    version: '3.2.1',
    ...more,
  });
  opened.push(gateway);
  return { broker, ports: gateway.addresses.map((address) => Number(address.split(':').at(-1))) };
}

interface Answer {
  readonly status: number;
  readonly headers: Record<string, string | string[] | undefined>;
  readonly body: string;
}

function ask(to: RequestOptions): Promise<Answer> {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', path: '/v1/status', ...to }, async (response) => {
      let body = '';
      for await (const chunk of response) body += chunk;
      resolve({ status: response.statusCode ?? 0, headers: response.headers, body });
    })
      .on('error', reject)
      .end();
  });
}

async function bearer(grant: Partial<MintOptions>): Promise<Record<string, string>> {
  return { authorization: `Bearer ${await mintToken({ secret, ...grant } as MintOptions)}` };
}

function tunnel(port: number, target: string): Promise<string> {
  const socket = connectTcp(port, '127.0.0.1');
  opened.push({ close: () => socket.destroy() });
  socket.write(`CONNECT ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
  return once(socket, 'data').then(([data]) => String(data).split(' ', 2)[1] ?? '');
}

test('it tells of tunnels by front, dials by outcome, and the nodes of its broker', async () => {
  const { ports } = await startAll();
  const [proxy = 0, port = 0] = ports;
  const target = createServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => target.listen(0, '127.0.0.1', resolve));
  opened.push(target);
  const at = (target.address() as AddressInfo).port;
  expect(await tunnel(proxy, `edge-1:${at}`)).toBe('200');
  expect(await tunnel(proxy, 'edge-1:1')).toBe('502');
  expect(await tunnel(proxy, 'nowhere:1')).toBe('404');
  await expect
    .poll(async () => (JSON.parse((await ask({ port })).body) as ShownStatus).gateway)
    .toMatchObject({
      version: '3.2.1',
      draining: false,
      connections: 1,
      fronts: [{ kind: 'http-connect', address: `127.0.0.1:${proxy}`, connections: 1 }],
      dials: { connected: 1, ECONNREFUSED: 1, ERR_NODE_UNREACHABLE: 1 },
    });
  const shown = JSON.parse((await ask({ port })).body) as ShownStatus;
  expect(shown.broker?.engine).toBe('memory');
  expect(shown.nodes.map(({ node }) => node)).toEqual(['core-1', 'edge-1']);
});

test('a token is the broker’s to judge, and shows what it grants', async () => {
  const { ports } = await startAll();
  const port = ports[1] ?? 0;
  const good = await ask({ port, headers: await bearer({ dial: ['edge-*'] }) });
  expect((JSON.parse(good.body) as ShownStatus).nodes.map(({ node }) => node)).toEqual(['edge-1']);
  expect((await ask({ port, headers: await bearer({ agent: 'edge-1' }) })).status).toBe(403);
  const bad = await ask({ port, headers: { authorization: 'Bearer word' } });
  expect([bad.status, bad.headers['www-authenticate']]).toEqual([401, 'Bearer']);
  expect(bad.body).not.toContain('edge-1');
  // The broker would lock out the gateway itself.
  for (let i = 1; i < 10; i++)
    expect((await ask({ port, headers: { authorization: 'Bearer word' } })).status).toBe(401);
  const late = await ask({ port, headers: { authorization: 'Bearer word' } });
  expect([late.status, late.headers['retry-after']]).toEqual([429, '60']);
  expect((await ask({ port })).status).toBe(200);
});

test.each([
  ['under a name that was made to mean this machine', { host: 'evil.example' }, 401],
  ['for a page of another site', { 'sec-fetch-site': 'cross-site' }, 401],
  ['through a proxy', { 'x-forwarded-for': '203.0.113.7' }, 401],
  ['with a password', { authorization: 'Basic dXNlcjpwYXNz' }, 401],
  ['from another origin', { origin: 'http://evil.example' }, 403],
])('who asks %s is not told', async (_, headers: Record<string, string>, status) => {
  const { ports } = await startAll();
  const answer = await ask({ port: ports[1] ?? 0, headers });
  expect(answer.status).toBe(status);
  expect(answer.body).not.toContain('edge-1');
});

test('where plain addresses are for those with a password, being here is not enough', async () => {
  const { ports } = await startAll({ credentials: { accept: () => true } });
  expect((await ask({ port: ports[1] ?? 0 })).status).toBe(401);
  expect((await ask({ port: ports[1] ?? 0, headers: await bearer({ dial: ['*'] }) })).status).toBe(200);
});

test('at a UNIX socket the file system says who may look', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-status-'));
  opened.push({ close: () => rmSync(directory, { recursive: true }) });
  const path = join(directory, 'status.sock');
  await startAll({ statusPage: [{ kind: 'unix', path }], credentials: { accept: () => true } });
  expect((await ask({ socketPath: path, headers: { host: 'whatever' } })).status).toBe(200);
});

test('it serves the page at / with its policy, and nothing else', async () => {
  const { ports } = await startAll();
  const port = ports[1] ?? 0;
  const page = await ask({ port, path: '/' });
  expect(page.status).toBe(200);
  expect(page.headers['content-security-policy']).toContain("default-src 'none'");
  expect((await ask({ port, path: '/', method: 'HEAD' })).body).toBe('');
  expect((await ask({ port, path: '/metrics' })).status).toBe(404);
  const posted = await ask({ port, method: 'POST' });
  expect([posted.status, posted.headers.allow]).toEqual([405, 'GET, HEAD']);
  const raw = connectTcp(port, '127.0.0.1');
  raw.write('\u0016\u0003\u0001 no request\r\n\r\n');
  expect(String((await once(raw, 'data'))[0])).toMatch(/^HTTP\/1\.1 400 /);
  raw.destroy();
});

test('a broker that is away is part of what it tells, and a token cannot be judged meanwhile', async () => {
  const { broker, ports } = await startAll();
  const port = ports[1] ?? 0;
  await broker.close();
  const answer = await ask({ port });
  expect(answer.status).toBe(200);
  const shown = JSON.parse(answer.body) as ShownStatus;
  expect(shown).toMatchObject({ nodes: [], unreachable: expect.stringContaining('cannot be reached') });
  expect(shown.gateway?.version).toBe('3.2.1');
  expect((await ask({ port, headers: await bearer({ dial: ['*'] }) })).status).toBe(503);
});
