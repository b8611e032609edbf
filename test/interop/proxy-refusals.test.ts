// What bad input and bad targets get at the proxy paths: each its own status, with a code and a reason in JSON.

import { readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import type { Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { Authority } from '../rig/certificates.ts';
import { serveHttp } from '../rig/http-target.ts';
import { Rig } from '../rig/rig.ts';
import { Site } from '../rig/site.ts';
import { connectTo, listen } from '../rig/targets.ts';

interface Answer {
  readonly status: number;
  readonly head: string;
  readonly code: string;
  readonly message: string;
}

/** What comes back for these very bytes, until the gateway closes. */
async function exchange(site: Site, bytes: string, index = 0): Promise<Answer> {
  const socket: Socket = connectTo(site.port(index));
  socket.on('error', () => {});
  socket.write(bytes, 'latin1');
  const all = await text(socket);
  socket.end();
  const [head = '', body = ''] = all.split('\r\n\r\n');
  const status = Number(/^HTTP\/1\.1 (\d{3}) /.exec(head)?.[1]);
  const { code, message } = (JSON.parse(body) as { error: { code: string; message: string } }).error;
  return { status, head, code, message };
}

const close = 'Connection: close\r\n\r\n';

function get(path: string, more = ''): string {
  return `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n${more}${close}`;
}

/** A server that must not be asked. */
async function untouched(rig: Rig): Promise<number> {
  return await listen(rig, () => expect.unreachable('the target was reached'));
}

test.each<[string, (port: number) => string, number]>([
  ['what is no HTTP', () => 'hello\r\n\r\n', 400],
  ['a TLS hello', () => '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 400],
  ['no Host', (port) => `GET /proxy/nodes/edge-1:${port}/ HTTP/1.1\r\n${close}`, 400],
  ['two Hosts', (port) => get(`/proxy/nodes/edge-1:${port}/`, 'Host: localhost\r\n'), 400],
  ['a space before the colon', (port) => get(`/proxy/nodes/edge-1:${port}/`, 'Content-Length : 0\r\n'), 400],
  ['a folded line', (port) => get(`/proxy/nodes/edge-1:${port}/`, 'X-A: 1\r\n b\r\n'), 400],
  [
    'two framings',
    (port) => get(`/proxy/nodes/edge-1:${port}/`, 'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n'),
    400,
  ],
  [
    'two lengths',
    (port) => get(`/proxy/nodes/edge-1:${port}/`, 'Content-Length: 5\r\nContent-Length: 6\r\n'),
    400,
  ],
  ['a signed length', (port) => get(`/proxy/nodes/edge-1:${port}/`, 'Content-Length: +0\r\n'), 400],
  [
    'a coding in disguise',
    (port) => get(`/proxy/nodes/edge-1:${port}/`, 'Transfer-Encoding: \x0bchunked\r\n'),
    400,
  ],
  [
    'a coding that cannot be passed on',
    (port) => `${get(`/proxy/nodes/edge-1:${port}/`, 'Transfer-Encoding: gzip, chunked\r\n')}0\r\n\r\n`,
    501,
  ],
  [
    'chunks in HTTP/1.0',
    (port) => `POST /proxy/nodes/edge-1:${port}/ HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n`,
    400,
  ],
  [
    'a head of 20 kB',
    (port) => get(`/proxy/nodes/edge-1:${port}/`, `X-Long: ${'x'.repeat(20_000)}\r\n`),
    431,
  ],
  ['a path of 20 kB', (port) => get(`/proxy/nodes/edge-1:${port}/${'x'.repeat(20_000)}`), 431],
  ['another expectation', (port) => get(`/proxy/nodes/edge-1:${port}/`, 'Expect: a miracle\r\n'), 417],
  ['TRACE', (port) => `TRACE /proxy/nodes/edge-1:${port}/ HTTP/1.1\r\nHost: localhost\r\n${close}`, 405],
  ['CONNECT', () => `CONNECT edge-1:22 HTTP/1.1\r\nHost: localhost\r\n${close}`, 405],
  ['a whole URL', (port) => get(`http://127.0.0.1:${port}/`), 400],
  ['no such path', () => get('/metrics'), 404],
  ['a node in upper case', () => get('/proxy/nodes/Edge-1/'), 400],
  ['port 0', () => get('/proxy/nodes/edge-1:0/'), 400],
  ['port 70000', () => get('/proxy/hosts/127.0.0.1:70000/'), 400],
  ['a host without a port', () => get('/proxy/hosts/127.0.0.1/'), 400],
  [
    'an upgrade to no target',
    () => 'GET /proxy/nodes/ HTTP/1.1\r\nHost: localhost\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n',
    400,
  ],
])('%s is refused, and no target is reached', async (_what, bytes, status) => {
  await using rig = new Rig();
  const site = await Site.start(rig);
  const answer = await exchange(site, bytes(await untouched(rig)));
  expect(answer).toMatchObject({ status, code: expect.stringMatching(/^E[A-Z_]+$/) });
  expect(answer.message.length).toBeGreaterThan(10);
  await site.until(({ clients }) => clients === 0);
  await site.empty();
});

test.each([
  ['a name that may be rebound', 'Host: evil.example:8001\r\n', 421],
  ['a name that only begins as ours', 'Host: localhost.evil.example\r\n', 421],
  ['an address that is not loopback', 'Host: 192.0.2.1\r\n', 421],
  ["another page's origin", 'Host: localhost\r\nOrigin: https://evil.example\r\n', 403],
  ['our own origin, which every target shares', 'Host: localhost\r\nOrigin: http://localhost\r\n', 403],
  ['an origin that hides', 'Host: localhost\r\nOrigin: null\r\n', 403],
  ['an image of another page', 'Host: localhost\r\nSec-Fetch-Site: cross-site\r\n', 403],
  ['a frame of the same page', 'Host: localhost\r\nSec-Fetch-Site: same-origin\r\n', 403],
])('a browser is refused by %s, for WebSockets and preflights, too', async (_what, fields, status) => {
  await using rig = new Rig();
  const site = await Site.start(rig);
  const path = `/proxy/nodes/edge-1:${await untouched(rig)}/`;
  for (const bytes of [
    `GET ${path} HTTP/1.1\r\n${fields}${close}`,
    `OPTIONS ${path} HTTP/1.1\r\n${fields}${close}`,
    `GET ${path} HTTP/1.1\r\n${fields}Connection: Upgrade\r\nUpgrade: websocket\r\n\r\n`,
  ])
    expect((await exchange(site, bytes)).status).toBe(status);
  await site.empty();
});

test('an address that somebody typed into a browser is served, under each name of this machine', async () => {
  await using rig = new Rig();
  const target = await serveHttp(rig, (_request, response) =>
    response.end('{"error":{"code":"none","message":""}}'),
  );
  const site = await Site.start(rig);
  for (const host of ['localhost:8001', 'LOCALHOST', '127.0.0.1', '127.1.2.3:1', '[::1]:8001']) {
    const bytes = `GET /proxy/nodes/edge-1:${target.port}/ HTTP/1.1\r\nHost: ${host}\r\nSec-Fetch-Site: none\r\n${close}`;
    expect((await exchange(site, bytes)).status).toBe(200);
  }
  await site.empty();
});

test('a head that does not come in time is 408, on a used connection, too', async () => {
  await using rig = new Rig();
  const target = await serveHttp(rig, (_request, response) => response.end('{}'));
  const site = await Site.start(rig, { gateway: { headTimeoutMs: 200 } } as object);
  const slow = connectTo(site.port());
  slow.write('GET /proxy/nodes/');
  expect(await text(slow)).toMatch(/^HTTP\/1.1 408 /);
  slow.end();
  const used = connectTo(site.port());
  used.write(`GET /proxy/nodes/edge-1:${target.port}/ HTTP/1.1\r\nHost: localhost\r\n\r\nGET /proxy/no`);
  expect(await text(used)).toMatch(/^HTTP\/1.1 200 [\s\S]*HTTP\/1.1 408 /);
  used.end();
  await site.until(({ clients }) => clients === 0);
});

test('pipelined requests are answered one after the other, and no more of them are kept than a few', async () => {
  await using rig = new Rig();
  let atOnce = 0;
  let most = 0;
  const target = await serveHttp(rig, (request, response) => {
    atOnce += 1;
    most = Math.max(most, atOnce);
    setTimeout(() => {
      atOnce -= 1;
      response.end(request.url);
    }, 20);
  });
  const site = await Site.start(rig);
  const one = (path: string) =>
    `POST /proxy/nodes/edge-1:${target.port}${path} HTTP/1.1\r\nHost: localhost\r\n`;
  const some = connectTo(site.port());
  some.write(`${one('/1')}\r\n${one('/2')}\r\n${one('/3')}${close}`);
  const bodies = [...(await text(some)).matchAll(/\r\n\r\n(\/\d)/g)].map(([, body]) => body);
  expect(bodies).toEqual(['/1', '/2', '/3']);
  some.end();
  expect(most).toBe(1);
  const many = connectTo(site.port());
  many.on('error', () => {}).resume();
  many.write(`${one('/x')}\r\n`.repeat(100));
  // An end or a reset: what is still unread at the gateway decides.
  await new Promise((resolve) => many.once('end', resolve).once('close', resolve));
  many.destroy();
  await site.until(({ clients, targets }) => clients + targets === 0);
});

test.each([
  ['CONNECT', 'CONNECT edge-1:22 HTTP/1.1\r\nHost: localhost\r\n\r\n'],
  ['an upgrade', 'GET / HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'],
  ['what is no HTTP', 'hello\r\n\r\n'],
])('%s behind a request whose answer has begun puts nothing into that answer', async (_what, behind) => {
  await using rig = new Rig();
  const target = await serveHttp(rig, (_request, response) => response.writeHead(200).write('begun'));
  const site = await Site.start(rig);
  const socket = connectTo(site.port());
  socket.on('error', () => {});
  let got = '';
  socket.on('data', (chunk) => {
    got += chunk;
  });
  socket.write(`GET /proxy/nodes/edge-1:${target.port}/ HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await expect.poll(() => got).toContain('begun');
  const before = got;
  socket.write(behind);
  await new Promise((resolve) => socket.once('end', resolve).once('close', resolve));
  expect(got).toBe(before);
  socket.destroy();
  await site.until(({ clients, targets }) => clients + targets === 0);
});

test('a body that is no body is 400, and its request is taken back', async () => {
  await using rig = new Rig();
  let wasCut = 0;
  const target = await serveHttp(rig, (request) =>
    request
      .on('error', () => {
        wasCut += 1;
      })
      .resume(),
  );
  const site = await Site.start(rig);
  const head = `POST /proxy/nodes/edge-1:${target.port}/ HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n`;
  expect(await exchange(site, `${head}5\r\nhello\r\nzz\r\n`)).toMatchObject({ status: 400 });
  await site.until(({ clients, targets }) => clients + targets === 0);
  await expect.poll(() => target.open.size).toBe(0);
  expect(wasCut).toBeLessThanOrEqual(1);
});

test('a target that cannot be reached has its cause told', async () => {
  await using rig = new Rig();
  const target = await serveHttp(rig, (_request, response) => response.end());
  const site = await Site.start(rig, { allow: [`127.0.0.1:${target.port}`, '127.0.0.1:1'] });
  const answers = await Promise.all(
    ['nodes/edge-9:80', 'nodes/edge-1:2', 'nodes/edge-1:1', 'hosts/no-such-host.invalid:1'].map((name) =>
      exchange(site, get(`/proxy/${name}/`)),
    ),
  );
  expect(answers.map(({ status, code }) => [status, code])).toEqual([
    [404, 'ERR_NODE_UNREACHABLE'],
    [403, 'ERR_TARGET_DENIED'],
    [502, 'ECONNREFUSED'],
    [502, 'ENOTFOUND'],
  ]);
  await site.empty();
});

test('a target that does not speak HTTP, or contradicts itself, is 502', async () => {
  await using rig = new Rig();
  const site = await Site.start(rig);
  for (const said of [
    'SSH-2.0-OpenSSH_9.2\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n',
    'HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n',
    'HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n',
    `HTTP/1.1 200 OK\r\nX-Long: ${'x'.repeat(20_000)}\r\n\r\n`,
  ]) {
    const port = await listen(rig, (socket) => socket.once('data', () => socket.end(said)));
    expect(await exchange(site, get(`/proxy/nodes/edge-1:${port}/`))).toMatchObject({
      status: 502,
      code: 'ERR_TARGET_FAILED',
    });
  }
  await site.empty();
});

test("a certificate that is not the target's is 502 with the cause, and nothing was asked of it", async () => {
  await using rig = new Rig();
  const [trusted, other] = [await Authority.create(rig, 'trusted'), await Authority.create(rig, 'other')];
  const san = 'DNS:edge-1';
  const past = new Date(Date.now() - 60_000);
  let requests = 0;
  const answer: RequestListener = (_request, response) => {
    requests += 1;
    response.end('{"error":{"code":"none","message":""}}');
  };
  const served = async (issued: { cert: string; key: string }, more = {}) => {
    const tls = { cert: readFileSync(issued.cert), key: readFileSync(issued.key), ...more };
    return await serveHttp(rig, answer, tls);
  };
  const cases: [string, number][] = [
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', (await served(await other.issue('foreign', { san }))).port],
    ['CERT_HAS_EXPIRED', (await served(await trusted.issue('expired', { san, notAfter: past }))).port],
    [
      'ERR_TLS_CERT_ALTNAME_INVALID',
      (await served(await trusted.issue('misnamed', { san: 'DNS:edge-2' }))).port,
    ],
    ['ERR_SSL_WRONG_VERSION_NUMBER', (await serveHttp(rig, (_request, response) => response.end())).port],
    [
      'CERTIFICATE_REQUIRED',
      (
        await served(await trusted.issue('demanding', { san }), {
          requestCert: true,
          rejectUnauthorized: true,
          ca: readFileSync(trusted.cert),
        })
      ).port,
    ],
  ];
  const site = await Site.start(rig, { files: { ca: trusted.cert } });
  for (const [cause, port] of cases) {
    const answer = await exchange(site, get(`/proxy/nodes/https:edge-1:${port}/`));
    expect(answer).toMatchObject({ status: 502, code: 'ERR_TARGET_FAILED' });
    expect(answer.message).toContain(cause);
  }
  expect(requests).toBe(0);
  await site.empty();
  const insecure = await Site.start(rig, { files: { insecure: true } });
  for (const [, port] of cases.slice(0, 3)) {
    expect((await exchange(insecure, get(`/proxy/nodes/https:edge-1:${port}/`))).status).toBe(200);
  }
  expect(requests).toBe(3);
  await insecure.empty();
});

test('a plain target is refused where the link to the broker is in clear', async () => {
  await using rig = new Rig();
  const site = await Site.start(rig, { proxy: { takesPlainHttp: false } });
  const path = `/proxy/nodes/edge-1:${await untouched(rig)}/`;
  const answer = await exchange(site, get(path));
  expect(answer).toMatchObject({ status: 403, code: 'ERR_FORBIDDEN' });
  expect(answer.message).toContain('wss://');
  await site.empty();
});

test('requests over the bound are 503, and fit again when others have ended', async () => {
  await using rig = new Rig();
  const held: (() => void)[] = [];
  const target = await serveHttp(rig, (_request, response) => {
    held.push(() => response.end('{"error":{"code":"none","message":"none"}}'));
  });
  const site = await Site.start(rig, { proxy: { maxExchanges: 2 } });
  const bytes = get(`/proxy/nodes/edge-1:${target.port}/`);
  const first = [exchange(site, bytes), exchange(site, bytes)];
  await expect.poll(() => held.length).toBe(2);
  expect(await exchange(site, bytes)).toMatchObject({ status: 503, code: 'ERR_STREAM_LIMIT' });
  for (const end of held.splice(0)) end();
  expect((await Promise.all(first)).map(({ status }) => status)).toEqual([200, 200]);
  const again = exchange(site, bytes);
  await expect.poll(() => held.length).toBe(1);
  held[0]?.();
  expect((await again).status).toBe(200);
  await site.empty();
});

test('while it drains, the gateway finishes what it has and takes nothing new on open connections', async () => {
  await using rig = new Rig();
  const held: (() => void)[] = [];
  const target = await serveHttp(rig, (_request, response) => {
    response.write('begun ');
    held.push(() => response.end('ended'));
  });
  const site = await Site.start(rig);
  const socket = connectTo(site.port());
  socket.write(`GET /proxy/nodes/edge-1:${target.port}/ HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await expect.poll(() => held.length).toBe(1);
  const idle = connectTo(site.port());
  idle.write(`GET /nothing HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  await new Promise((resolve) => idle.once('data', resolve));
  const idleEnded = new Promise((resolve) => idle.once('end', resolve));
  const drained = site.gateway.drain(20_000);
  await idleEnded;
  held[0]?.();
  expect(await text(socket)).toContain('ended');
  socket.end();
  idle.end();
  await drained;
  await site.until(({ clients, targets, streams }) => clients + targets + streams === 0);
});
