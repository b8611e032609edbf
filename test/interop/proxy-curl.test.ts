// curl through the proxy paths, to real HTTP and HTTPS servers behind a node.

import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Authority } from '../rig/certificates.ts';
import { serveHttp } from '../rig/http-target.ts';
import { Rig } from '../rig/rig.ts';
import { Site } from '../rig/site.ts';

async function curl(rig: Rig, ...args: string[]) {
  const { code, stdout, stderr } = await rig.run('curl', [
    '--silent',
    '--show-error',
    '--max-time',
    '20',
    ...args,
  ]);
  return { code, body: stdout.toString(), stderr };
}

test('curl reaches plain HTTP on a node and on a host that a node serves', async () => {
  await using rig = new Rig();
  const target = await serveHttp(rig, (request, response) => {
    response.setHeader('Content-Type', 'application/json');
    response.end(JSON.stringify({ url: request.url, host: request.headers.host, method: request.method }));
  });
  const site = await Site.start(rig);
  const byNode = await curl(rig, site.url(`/proxy/nodes/edge-1:${target.port}/a/b?c=d`));
  expect(JSON.parse(byNode.body)).toEqual({ url: '/a/b?c=d', host: `edge-1:${target.port}`, method: 'GET' });
  const byHost = await curl(rig, site.url(`/proxy/hosts/127.0.0.1:${target.port}/`));
  expect(JSON.parse(byHost.body)).toEqual({ url: '/', host: `127.0.0.1:${target.port}`, method: 'GET' });
  const posted = await curl(rig, '-d', 'x=1', site.url(`/proxy/hosts/localhost:${target.port}/form`));
  expect(JSON.parse(posted.body)).toMatchObject({ url: '/form', method: 'POST' });
  await site.empty();
});

test('curl reaches HTTPS on a node; its certificate is verified at the gateway', async () => {
  await using rig = new Rig();
  const authority = await Authority.create(rig, 'site-ca');
  const issued = await authority.issue('edge-1', { san: 'DNS:edge-1,IP:127.0.0.1' });
  const tls = { key: readFileSync(issued.key), cert: readFileSync(issued.cert) };
  const target = await serveHttp(rig, (_request, response) => response.end('verified\n'), tls);
  const site = await Site.start(rig, { files: { ca: authority.cert } });
  for (const name of [`nodes/https:edge-1:${target.port}`, `hosts/https:127.0.0.1:${target.port}`]) {
    expect(await curl(rig, site.url(`/proxy/${name}/`))).toEqual({ code: 0, body: 'verified\n', stderr: '' });
  }
  await site.empty();
  await expect.poll(() => target.open.size).toBe(0);
});
