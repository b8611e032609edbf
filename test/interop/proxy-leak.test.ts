// Clients of the proxy paths that vanish at any moment, and what is left of them: nothing.

import { readFileSync } from 'node:fs';
import type { RequestListener } from 'node:http';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Authority } from '../rig/certificates.ts';
import { serveHttp } from '../rig/http-target.ts';
import { randomFrom } from '../rig/random.ts';
import { Rig } from '../rig/rig.ts';
import { Site } from '../rig/site.ts';
import { connectTo, listen, pattern } from '../rig/targets.ts';

const clients = 400;
const atOnce = 20;
const maxExchanges = 60;
const seed = 20_261_125;

test(`of ${clients} clients that vanish at random moments, no connection, stream or request is left`, async () => {
  await using rig = new Rig();
  const authority = await Authority.create(rig, 'site-ca');
  const issued = await authority.issue('edge-1', { san: 'DNS:edge-1' });
  const answer: RequestListener = (request, response) => {
    request.resume();
    // One inside the other: under load, timers of different lengths may fire in either order.
    setTimeout(() => {
      response.write('some');
      setTimeout(() => response.end(' more'), 5);
    }, 3);
  };
  const plain = await serveHttp(rig, answer);
  const tls = await serveHttp(rig, answer, {
    cert: readFileSync(issued.cert),
    key: readFileSync(issued.key),
  });
  const silent = await listen(rig, (socket) => socket.resume());
  const switching = await listen(rig, (socket) => {
    socket.once('data', () => {
      socket.write('HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n');
      socket.pipe(socket);
    });
  });
  const site = await Site.start(rig, { files: { ca: authority.cert }, proxy: { maxExchanges } });
  const fields = 'Host: localhost\r\n';
  const requests = [
    `GET /proxy/nodes/edge-1:${plain.port}/ HTTP/1.1\r\n${fields}\r\n`,
    `GET /proxy/nodes/https:edge-1:${tls.port}/ HTTP/1.1\r\n${fields}\r\n`,
    `POST /proxy/nodes/https:edge-1:${tls.port}/ HTTP/1.1\r\n${fields}Content-Length: ${pattern.length}\r\n\r\n`,
    `GET /proxy/nodes/edge-1:${silent}/ HTTP/1.1\r\n${fields}\r\n`,
    `GET /proxy/nodes/edge-1:${switching}/ HTTP/1.1\r\n${fields}Connection: Upgrade\r\nUpgrade: echo\r\n\r\n`,
    `GET /proxy/nodes/edge-1:${plain.port}/ HTTP/1.1\r\n${fields}\r\n`.repeat(5),
    `GET /proxy/nodes/edge-`,
  ];
  const next = randomFrom(seed);
  const seen = { nothing: 0, part: 0, whole: 0 };
  const visit = async (): Promise<void> => {
    const socket = connectTo(site.port());
    let got = '';
    const saw = (what: string) =>
      new Promise<void>((resolve) => {
        socket.on('data', () => got.includes(what) && resolve()).once('close', resolve);
      });
    socket
      .on('error', () => {})
      .on('data', (chunk) => {
        got += chunk;
      });
    const request = requests[Math.floor(next() * requests.length)] ?? '';
    socket.write(request);
    if (request.startsWith('POST')) socket.write(pattern);
    // Before its answer, at the answer's first byte, or when it has the whole; some wait in vain.
    const stage = [saw('impossible'), saw('HTTP'), saw(' more')][Math.floor(next() * 3)];
    await Promise.race([stage, sleep(next() * 800)]);
    if (next() < 0.5) socket.destroy();
    else socket.resetAndDestroy();
    if (got === '') seen.nothing += 1;
    else if (got.includes(' more')) seen.whole += 1;
    else seen.part += 1;
  };
  let left = clients;
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (left > 0) {
        left -= 1;
        await visit();
      }
    }),
  );
  // They left at every stage.
  for (const count of Object.values(seen)) expect(count).toBeGreaterThan(3);
  await site.until(({ clients }) => clients === 0);
  // Every one has given its place back: as many as ever are served at once.
  const held: (() => void)[] = [];
  const last = await serveHttp(rig, (_request, response) => {
    held.push(() => response.end('served'));
  });
  const answers = Array.from({ length: maxExchanges }, () => {
    const socket = connectTo(site.port());
    socket.write(`GET /proxy/nodes/edge-1:${last.port}/ HTTP/1.1\r\n${fields}Connection: close\r\n\r\n`);
    return text(socket);
  });
  await expect.poll(() => held.length, { timeout: 20_000 }).toBe(maxExchanges);
  for (const end of held) end();
  for (const answered of await Promise.all(answers)) expect(answered).toMatch(/served$/);
  await site.empty();
  for (const target of [plain, tls, last]) await expect.poll(() => target.open.size).toBe(0);
});
