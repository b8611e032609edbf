// The client in a real browser: a page of one site dials through a real broker at another, and a real agent.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { Socket } from 'node:net';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchChromium } from '../page/browser.ts';
import { serveHttp } from '../rig/http-target.ts';
import { Network, type Program, Rig } from '../rig/rig.ts';
import { listen, patternHash, writePattern } from '../rig/targets.ts';
import { serveSite, type Visit, visit } from './site.ts';
import { project } from './tarball.ts';

const mebibyte = 1024 * 1024;
const rig = new Rig();
let browser: Browser;
let network: Network;
let origin: string;
let seen: Visit;
/** Of the brokers of this file, all of them. */
const brokers: Program[] = [];

beforeAll(async () => {
  browser = await launchChromium();
  origin = await serveSite(rig);
  network = await Network.start(rig, '127.0.0.1:*', ['--label', 'site=berlin'], ['--allow-origin', origin]);
  brokers.push(network.broker);
  seen = await visit(browser, origin);
});
afterAll(async () => {
  await browser?.close();
  await rig[Symbol.asyncDispose]();
});

/** For `connect` in the page. */
const access = () => ({ url: network.url, token: network.dialToken });

test('a page asks a web server on a node, and reads its answer to the end', async () => {
  const { port } = await serveHttp(rig, ({ url, headers }, response) => {
    response.setHeader('connection', 'close').end(`${url} for ${headers.host}`);
  });
  const answer = await seen.page.evaluate(
    async ([options, port]) => {
      const broker = window.fairlead.connect(options);
      const { readable, writable, remote, closed } = await broker.dial({
        node: 'edge-1',
        host: '127.0.0.1',
        port,
      });
      const writer = writable.getWriter();
      await writer.write(new TextEncoder().encode('GET /figures HTTP/1.1\r\nHost: edge-1\r\n\r\n'));
      const text = await new Response(readable).text();
      await writer.close();
      await closed;
      broker.close();
      return { text, remote };
    },
    [access(), port] as const,
  );
  expect(answer.text).toMatch(/^HTTP\/1\.1 200 OK\r\n.*\r\n\r\n.*\/figures for edge-1/s);
  expect(answer.remote).toEqual({ address: '127.0.0.1', port, family: 'IPv4' });
});

test('8 MiB come exact; a page that does not read stops the target, and only it', async () => {
  const sockets: Socket[] = [];
  const port = await listen(rig, (socket) => {
    sockets.push(socket);
    void writePattern(socket, 8 * mebibyte);
  });
  await seen.page.evaluate(
    async ([options, port]) => {
      const broker = window.fairlead.connect(options);
      const target = { node: 'edge-1', host: '127.0.0.1', port };
      const stalled = await broker.dial(target);
      const read = async (readable: ReadableStream<Uint8Array>) => {
        const bytes = await new Response(readable as ReadableStream<Uint8Array<ArrayBuffer>>).arrayBuffer();
        const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
        return [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('');
      };
      // The other goes through the same session meanwhile.
      const other = await read((await broker.dial(target)).readable);
      Object.assign(window, { other, finish: () => read(stalled.readable) });
    },
    [access(), port] as const,
  );
  const hash = patternHash(8 * mebibyte);
  expect(await seen.page.evaluate('window.other')).toBe(hash);
  // Nothing was read of the first: what has left its target is a window, and what the kernel holds.
  const [stalled, other] = sockets;
  expect(other?.bytesWritten).toBe(8 * mebibyte);
  expect((stalled?.bytesWritten ?? 0) - (stalled?.writableLength ?? 0)).toBeLessThan(8 * mebibyte);
  expect(stalled?.writableFinished).toBe(false);
  expect(await seen.page.evaluate('window.finish()')).toBe(hash);
});

test('64 MiB go exact, at the pace of a target that waits; closing the writer half-closes, and the answer comes after', async () => {
  let received = 0;
  const digest = createHash('sha256');
  let start: () => void = () => {};
  const started = new Promise<void>((resolve) => {
    start = resolve;
  });
  const port = await listen(rig, (socket) => {
    socket.pause();
    void started.then(() => socket.resume());
    socket.on('data', (chunk) => {
      received += chunk.length;
      digest.update(chunk);
    });
    socket.on('end', () => socket.end(`${received} ${digest.digest('hex')}`));
  });
  await seen.page.evaluate(
    async ([options, port]) => {
      const broker = window.fairlead.connect(options);
      const { readable, writable } = await broker.dial({ node: 'edge-1', host: '127.0.0.1', port });
      const sent = { bytes: 0 };
      const piece = new Uint8Array(65_536).map((_, i) => i % 251);
      const work = async () => {
        const writer = writable.getWriter();
        for (; sent.bytes < 64 * 1024 * 1024; sent.bytes += piece.length) {
          await writer.ready;
          await writer.write(piece);
        }
        await writer.close();
        return await new Response(readable).text();
      };
      Object.assign(window, { sent, answer: work() });
    },
    [access(), port] as const,
  );
  // The writer stops for want of room, long before its end: the kernels on the way may take some 40 MiB by themselves.
  let before = -1;
  for (let bytes = 0; bytes !== before || bytes === 0; ) {
    before = bytes;
    await seen.page.waitForTimeout(200);
    bytes = (await seen.page.evaluate('window.sent.bytes')) as number;
  }
  expect(before).toBeLessThan(64 * mebibyte);
  start();
  const piece = Buffer.from(new Uint8Array(65_536).map((_, i) => i % 251));
  const expected = createHash('sha256');
  for (let i = 0; i < 1024; i += 1) expected.update(piece);
  expect(await seen.page.evaluate('window.answer')).toBe(`${64 * mebibyte} ${expected.digest('hex')}`);
});

/** How a dial from the page fails. */
async function refusal(
  page: Visit,
  options: object,
  target: object,
): Promise<{ code: string; message: string }> {
  return await page.page.evaluate(
    async ([options, target]) => {
      const { connect, FairleadError } = window.fairlead;
      let broker: ReturnType<typeof connect> | undefined;
      try {
        broker = connect(options as Parameters<typeof connect>[0]);
        await broker.dial(target as Parameters<typeof broker.dial>[0]);
        return { code: 'none', message: 'it was dialled' };
      } catch (error) {
        if (!(error instanceof FairleadError)) return { code: 'untyped', message: String(error) };
        return { code: error.code, message: error.message };
      } finally {
        broker?.close();
      }
    },
    [options, target] as const,
  );
}

test('what goes wrong is an error with its code', async () => {
  const closed = await serveHttp(rig, () => {});
  await new Promise((resolve) => closed.server.close(resolve));
  const good = { node: 'edge-1', host: '127.0.0.1', port: closed.port };
  const stranger = await rig.token('--dial', 'other-*');
  const cases: [options: object, target: object, code: string, says: string][] = [
    [access(), good, 'ECONNREFUSED', ''],
    [access(), { ...good, host: '127.0.0.2' }, 'ERR_TARGET_DENIED', 'allow'],
    [access(), { ...good, node: 'edge-9' }, 'ERR_NODE_UNREACHABLE', 'no agent of the node "edge-9"'],
    [{ ...access(), token: 'not.a.token' }, good, 'ERR_UNAUTHORIZED', 'refused the token'],
    [{ ...access(), token: stranger }, good, 'ERR_FORBIDDEN', 'does not grant the node "edge-1"'],
    [{ ...access(), url: 'ws://127.0.0.1:1', dialTimeoutMs: 500 }, good, 'ERR_BROKER_UNREACHABLE', ''],
    [{ ...access(), url: 'ws://broker.example.com' }, good, 'ERR_CONFIG', 'unencrypted'],
    [{ ...access(), token: '' }, good, 'ERR_CONFIG', 'token'],
    [access(), { ...good, port: 0 }, 'ERR_CONFIG', 'port'],
    [access(), { ...good, node: '*' }, 'ERR_CONFIG', 'node'],
  ];
  for (const [options, target, code, says] of cases) {
    const error = await refusal(seen, options, target);
    expect(error, JSON.stringify(target)).toMatchObject({ code });
    expect(error.message).toContain(says);
  }
});

test('a page of a site that the broker was not told of gets nothing', async () => {
  const elsewhere = await visit(browser, await serveSite(rig));
  const target = { node: 'edge-1', host: '127.0.0.1', port: network.port };
  const error = await refusal(elsewhere, { ...access(), dialTimeoutMs: 1000 }, target);
  expect(error.code).toBe('ERR_BROKER_UNREACHABLE');
  expect(error.message).toContain('does not allow the origin of this page');
  expect(network.broker.log).toContain('links are not for pages of this site');
  await elsewhere.page.close();
});

test('a page lists nodes, asks who serves a host, and pings', async () => {
  const found = await seen.page.evaluate(async (options) => {
    const broker = window.fairlead.connect(options);
    const [nodes, holders, status, ping] = await Promise.all([
      broker.nodes(),
      broker.resolve('edge-1'),
      broker.status(),
      broker.ping('edge-1'),
    ]);
    broker.close();
    return {
      node: nodes[0]?.node,
      holder: holders[0]?.route,
      status: status.nodes[0]?.instances[0]?.labels,
      ping,
    };
  }, access());
  expect(found).toMatchObject({ node: 'edge-1', holder: 'edge-1', status: { site: 'berlin' } });
  expect(found.ping.totalMs).toBeGreaterThan(0);
});

test('a transfer goes on, exact, when the broker is killed in the middle of it and comes back', async () => {
  const total = 24 * mebibyte;
  const port = await listen(rig, (socket) => void writePattern(socket, total, 16 * mebibyte));
  await seen.page.evaluate(
    async ([options, port]) => {
      const broker = window.fairlead.connect(options);
      const { readable } = await broker.dial({ node: 'edge-1', host: '127.0.0.1', port });
      const got: { bytes: number; chunks: Uint8Array<ArrayBuffer>[] } = { bytes: 0, chunks: [] };
      const work = async () => {
        const reader = readable.getReader();
        for (;;) {
          const { done, value } = await reader.read();
          if (done) break;
          got.bytes += value.length;
          got.chunks.push(value as Uint8Array<ArrayBuffer>);
        }
        const bytes = await new Blob(got.chunks).arrayBuffer();
        const hash = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes));
        return [...hash].map((byte) => byte.toString(16).padStart(2, '0')).join('');
      };
      Object.assign(window, { got, whole: work() });
    },
    [access(), port] as const,
  );
  const bytes = async () => (await seen.page.evaluate('window.got.bytes')) as number;
  await seen.page.waitForFunction('window.got.bytes > 1e6');
  await network.broker.kill('SIGKILL');
  const atDeath = await bytes();
  expect(atDeath).toBeLessThan(total);
  network.broker = rig.fairlead(
    ...['broker', '--listen', `127.0.0.1:${network.port}`, '--auth-secret-file', rig.path('secret')],
    ...['--allow-origin', origin],
  );
  brokers.push(network.broker);
  await network.broker.ports();
  expect(await seen.page.evaluate('window.whole')).toBe(patternHash(total));
  expect(await bytes()).toBe(total);
});

test('the token is in no URL and no log, and nothing failed that nobody caught', () => {
  expect(seen.urls.some((url) => url.startsWith('ws://'))).toBe(true);
  const encoded = Buffer.from(network.dialToken).toString('base64url');
  for (const text of [...seen.urls, ...brokers.map(({ log }) => log)]) {
    expect(text).not.toContain(network.dialToken.split('.')[2]);
    expect(text).not.toContain(encoded.slice(-40));
  }
  expect(seen.faults).toEqual([]);
});

test('it is one module that imports nothing, and its size is what docs/browser.md says', () => {
  const code = readFileSync(join(project, 'dist/browser/fairlead.js'), 'utf8');
  // Not as a pattern to match: what it would print is the whole module.
  expect(/\bimport\s*[{*"'(]|["']node:/.exec(code)).toBeNull();
  const text = readFileSync(join(project, 'docs/browser.md'), 'utf8');
  const [, plain, zipped] = /(\d+) KiB, (\d+) compressed/.exec(text) ?? [];
  expect(Math.abs(code.length / 1024 - Number(plain))).toBeLessThan(5);
  expect(Math.abs(gzipSync(code).length / 1024 - Number(zipped))).toBeLessThan(3);
  const licences = readFileSync(join(project, 'dist/browser/fairlead.js.licenses.txt'), 'utf8');
  for (const name of ['zod', 'jose', 'cockatiel']) expect(licences).toContain(`${name} `);
});
