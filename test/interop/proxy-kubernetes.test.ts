// @kubernetes/client-node, as it comes, against a kubelet and API server with a real certificate behind a node: through
// the gateway's CONNECT, and through its proxy paths.

import { request as httpRequest } from 'node:http';
import { PassThrough, Readable } from 'node:stream';
import { text } from 'node:stream/consumers';
import {
  Attach,
  CoreV1Api,
  Exec,
  KubeConfig,
  Log,
  PortForward,
  type V1Status,
} from '@kubernetes/client-node';
import { expect, test } from 'vitest';
import { Authority } from '../rig/certificates.ts';
import { Kubelet } from '../rig/kubelet.ts';
import { Rig } from '../rig/rig.ts';
import { Site } from '../rig/site.ts';
import { listen, pattern } from '../rig/targets.ts';

const token = 'token-of-the-tests';

interface Cluster {
  readonly site: Site;
  readonly kubelet: Kubelet;
  readonly authority: Authority;
}

async function start(
  rig: Rig,
  files: { tokenFile?: string; cert?: string; key?: string } = {},
): Promise<Cluster> {
  const authority = await Authority.create(rig, 'cluster-ca');
  const server = await authority.issue('edge-1', { san: 'DNS:edge-1', usage: 'serverAuth' });
  const kubelet = await Kubelet.start(rig, { server, clientCa: authority.cert, token });
  const site = await Site.start(rig, {
    files: { ca: authority.cert, ...files },
    gateway: { httpConnect: [{ kind: 'tcp', host: '127.0.0.1', port: 0 }] },
  });
  return { site, kubelet, authority };
}

type Way = (cluster: Cluster) => KubeConfig;

function config(cluster: object): KubeConfig {
  const made = new KubeConfig();
  made.loadFromOptions({
    clusters: [{ name: 'edge', ...cluster }],
    users: [{ name: 'tests', token }],
    contexts: [{ name: 'edge', cluster: 'edge', user: 'tests' }],
    currentContext: 'edge',
  });
  return made;
}

const ways: [string, Way][] = [
  [
    'CONNECT',
    ({ site, kubelet, authority }) =>
      config({
        server: `https://edge-1:${kubelet.port}`,
        caFile: authority.cert,
        proxyUrl: `http://127.0.0.1:${site.port(0)}`,
      }),
  ],
  [
    'proxy paths',
    ({ site, kubelet }) =>
      config({
        server: `http://127.0.0.1:${site.port(1)}/proxy/nodes/https:edge-1:${kubelet.port}`,
        // The client's word for plain HTTP on loopback; the gateway verifies.
        skipTLSVerify: true,
      }),
  ],
];

async function lines(stream: NodeJS.ReadableStream, count: number): Promise<string[]> {
  let got = '';
  for await (const chunk of stream) {
    got += chunk;
    if (got.split('\n').length > count) break;
  }
  return got.split('\n').slice(0, count);
}

test.each(ways)('client-node lists nodes, and reads and follows logs, through %s', async (_name, way) => {
  await using rig = new Rig();
  const cluster = await start(rig);
  const { site, kubelet } = cluster;
  const kube = way(cluster);
  const nodes = await kube.makeApiClient(CoreV1Api).listNode();
  expect(nodes.items.map(({ metadata }) => metadata?.name)).toEqual(['edge-1']);
  const log = new PassThrough();
  await new Log(kube).log('default', 'web', 'app', log);
  expect(await text(log)).toBe('begun\nserving\n');
  const followed = new PassThrough();
  const stop = await new Log(kube).log('default', 'web', 'app', followed, { follow: true });
  const three = lines(followed, 3);
  await site.until(({ streams }) => streams > 0);
  kubelet.say('a line that comes later');
  expect(await three).toEqual(['begun', 'serving', 'a line that comes later']);
  stop.abort();
  expect(kubelet.asked.every(({ as }) => as === 'token')).toBe(true);
  await site.empty();
  await expect.poll(() => kubelet.sockets.size).toBe(0);
});

test.each(ways)('client-node executes, attaches and forwards a port through %s', async (_name, way) => {
  await using rig = new Rig();
  const cluster = await start(rig);
  const { site, kubelet } = cluster;
  const kube = way(cluster);

  const [stdout, stderr] = [new PassThrough(), new PassThrough()];
  const output = Promise.all([text(stdout), text(stderr)]);
  const status = await new Promise<V1Status>((resolve, reject) => {
    const command = ['sh', '-c', 'wc -c; echo trouble >&2; exit 3'];
    // A megabyte up, through every hop's back-pressure.
    const stdin = Readable.from([pattern]);
    new Exec(kube)
      .exec('default', 'web', 'app', command, stdout, stderr, stdin, false, resolve)
      .catch(reject);
  });
  expect(await output).toEqual([`${pattern.length}\n`, 'trouble\n']);
  expect(status).toMatchObject({ status: 'Failure', reason: 'NonZeroExitCode' });

  const attached = new PassThrough();
  const socket = await new Attach(kube).attach(
    'default',
    'web',
    'app',
    attached,
    null,
    Readable.from(['typed\n']),
    false,
  );
  expect(await lines(attached, 3)).toEqual(['begun', 'serving', 'typed']);
  socket.close();

  const port = await listen(rig, (peer) => peer.pipe(peer));
  const [back, errors, typed] = [new PassThrough(), new PassThrough(), new PassThrough()];
  const forwarded = await new PortForward(kube).portForward('default', 'web', [port], back, errors, typed);
  typed.write('through the port\n');
  expect(await lines(back, 1)).toEqual(['through the port']);
  if (typeof forwarded !== 'function') forwarded.close();

  expect(kubelet.asked.map(({ url }) => url.replace(/\?.*/, '').replace(/.*\//, ''))).toEqual([
    'exec',
    'attach',
    'portforward',
  ]);
  await site.empty();
  await expect.poll(() => kubelet.sockets.size).toBe(0);
});

/** The status and the body of a kubelet's answer through the proxy path. */
function ask(site: Site, path: string, headers: Record<string, string> = {}): Promise<[number, string]> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(site.url(path), { headers, agent: false }, (response) => {
      text(response).then((body) => resolve([response.statusCode ?? 0, body]), reject);
    });
    request.on('error', reject).end();
  });
}

test("the gateway shows a kubelet its own certificate, or its token; a client's own word goes before", async () => {
  await using rig = new Rig();
  const authority = await Authority.create(rig, 'clients');
  const issued = await authority.issue('gateway', { subject: '/CN=kubelet-client', usage: 'clientAuth' });
  const server = await authority.issue('edge-1', { san: 'DNS:edge-1', usage: 'serverAuth' });
  const kubelet = await Kubelet.start(rig, { server, clientCa: authority.cert, token });
  const tokenFile = rig.write('kubelet.token', `${token}\n`);
  const path = `/proxy/nodes/https:edge-1:${kubelet.port}/containerLogs/default/web/app`;
  const byCertificate = await Site.start(rig, { files: { ca: authority.cert, ...issued } });
  expect(await ask(byCertificate, path)).toEqual([200, 'begun\nserving\n']);
  const byToken = await Site.start(rig, { files: { ca: authority.cert, tokenFile } });
  expect(await ask(byToken, path)).toEqual([200, 'begun\nserving\n']);
  expect((await ask(byToken, path, { Authorization: 'Bearer another' }))[0]).toBe(401);
  const byNothing = await Site.start(rig, { files: { ca: authority.cert } });
  expect((await ask(byNothing, path))[0]).toBe(401);
  expect(kubelet.asked.map(({ as }) => as)).toEqual(['kubelet-client', 'token', 'nobody', 'nobody']);
});
