// Bulk through a proxy path, beside a client that has stopped reading.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type ClientRequest, type IncomingMessage, request } from 'node:http';
import { Readable } from 'node:stream';
import { expect, test } from 'vitest';
import { serveHttp } from '../rig/http-target.ts';
import { Rig } from '../rig/rig.ts';
import { Site } from '../rig/site.ts';
import { pattern, patternHash } from '../rig/targets.ts';

async function get(url: string): Promise<[ClientRequest, IncomingMessage]> {
  const asked = request(url, { agent: false }).end();
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return [asked, response];
}

test('256 MiB pass whole beside a reader that has stopped, and that one holds no more than its credit', async () => {
  await using rig = new Rig();
  const mebibyte = 1 << 20;
  const total = 256 * mebibyte;
  const sent = new Map<string, number>();
  const target = await serveHttp(rig, (incoming, response) => {
    const name = incoming.url ?? '';
    response.writeHead(200, { 'Content-Length': total });
    async function* body() {
      for (let bytes = 0; bytes < total; bytes += pattern.length) {
        sent.set(name, bytes);
        yield pattern;
      }
    }
    Readable.from(body(), { highWaterMark: 1 })
      .on('error', () => {})
      .pipe(response);
  });
  const site = await Site.start(rig);
  const url = site.url(`/proxy/nodes/edge-1:${target.port}`);
  const [stalled, unread] = await get(`${url}/stalled`);
  for (const end of [stalled, unread]) end.on('error', () => {});
  const hash = createHash('sha256');
  const [, response] = await get(`${url}/read`);
  for await (const chunk of response) hash.update(chunk);
  expect(hash.digest('hex')).toBe(patternHash(total));
  expect(sent.get('/read')).toBe(total - mebibyte);
  // It began first, and had all the time that the other took: kernel buffers and windows are full, no more.
  expect(sent.get('/stalled')).toBeGreaterThan(0);
  expect(sent.get('/stalled')).toBeLessThan(40 * mebibyte);
  stalled.destroy();
  await site.until(({ clients }) => clients === 0);
  await site.empty();
});
