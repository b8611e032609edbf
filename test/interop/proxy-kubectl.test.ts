// kubectl, as it comes, with `proxy-url` through the gateway's CONNECT, and with its server at a proxy path, against an
// API server with a real certificate behind a node. kubectl before 1.31 executes over SPDY, later ones over WebSocket.

import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { Authority } from '../rig/certificates.ts';
import { Kubelet } from '../rig/kubelet.ts';
import { type Result, Rig } from '../rig/rig.ts';
import { Site } from '../rig/site.ts';
import { listen, pattern } from '../rig/targets.ts';

interface Cluster {
  readonly rig: Rig;
  readonly site: Site;
  readonly kubelet: Kubelet;
  readonly authority: Authority;
}

async function start(rig: Rig): Promise<Cluster> {
  const authority = await Authority.create(rig, 'cluster-ca');
  const server = await authority.issue('edge-1', { san: 'DNS:edge-1', usage: 'serverAuth' });
  const kubelet = await Kubelet.start(rig, { server, token: 'token-of-the-tests' });
  const site = await Site.start(rig, {
    // kubectl shows its token to https servers only: at a proxy path, the gateway shows its own.
    files: { ca: authority.cert, tokenFile: rig.write('kube.token', 'token-of-the-tests') },
    gateway: { httpConnect: [{ kind: 'tcp', host: '127.0.0.1', port: 0 }] },
  });
  return { rig, site, kubelet, authority };
}

const ways: [string, (cluster: Cluster) => object][] = [
  [
    'CONNECT',
    ({ site, kubelet, authority }) => ({
      server: `https://edge-1:${kubelet.port}`,
      'certificate-authority': authority.cert,
      'proxy-url': `http://127.0.0.1:${site.port(0)}`,
    }),
  ],
  [
    'a proxy path',
    ({ site, kubelet }) => ({
      server: `http://127.0.0.1:${site.port(1)}/proxy/nodes/https:edge-1:${kubelet.port}`,
    }),
  ],
];

/** What is before kubectl's own arguments: where it is, and nothing of whoever runs the tests. */
function place(cluster: Cluster, entry: object): { flags: string[]; env: NodeJS.ProcessEnv } {
  const { rig } = cluster;
  const config = rig.write(
    'kubeconfig',
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      clusters: [{ name: 'edge', cluster: entry }],
      users: [{ name: 'tests', user: { token: 'token-of-the-tests' } }],
      contexts: [{ name: 'edge', context: { cluster: 'edge', user: 'tests' } }],
      'current-context': 'edge',
    }),
  );
  return {
    flags: ['--kubeconfig', config, '--cache-dir', rig.path('cache')],
    env: { HOME: rig.directory, NO_PROXY: '', no_proxy: '', HTTP_PROXY: '', http_proxy: '' },
  };
}

test.each(ways)(
  'kubectl lists nodes, reads and follows logs, and executes through %s',
  async (_name, way) => {
    await using rig = new Rig();
    const cluster = await start(rig);
    const { kubelet, site } = cluster;
    const { flags, env } = place(cluster, way(cluster));
    const kubectl = async (args: string[], stdin: Buffer | string = ''): Promise<Result> =>
      await rig.run('kubectl', [...flags, ...args], stdin, { env });

    const nodes = await kubectl(['get', 'nodes']);
    expect([nodes.code, nodes.stderr]).toEqual([0, '']);
    expect(nodes.stdout.toString().split('\n')).toEqual(['NAME     STATUS', 'edge-1   Ready', '']);
    expect((await kubectl(['logs', 'web'])).stdout.toString()).toBe('begun\nserving\n');
    const followed = rig.start('kubectl', [...flags, 'logs', '--follow', 'web'], 'ignore', { env });
    let log = '';
    followed.child.stdout?.on('data', (chunk) => {
      log += chunk;
    });
    await expect.poll(() => log, { timeout: 20_000 }).toBe('begun\nserving\n');
    kubelet.say('a line that comes later');
    await expect.poll(() => log).toContain('a line that comes later\n');
    await followed.kill('SIGINT');

    const command = ['exec', '-i', 'web', '--', 'sh', '-c', 'wc -c; echo trouble >&2; exit 3'];
    const executed = await kubectl(command, pattern);
    expect([executed.code, executed.stdout.toString().trim()]).toEqual([3, String(pattern.length)]);
    expect(executed.stderr).toContain('trouble');
    expect(kubelet.asked.every(({ as }) => as === 'token')).toBe(true);
    await site.empty();
    await expect.poll(() => kubelet.sockets.size).toBe(0);
  },
);

test.each(ways)('kubectl forwards a port through %s', async (_name, way) => {
  await using rig = new Rig();
  const cluster = await start(rig);
  const { flags, env } = place(cluster, way(cluster));
  const port = await listen(rig, (peer) => peer.pipe(peer));
  const forward = rig.start('kubectl', [...flags, 'port-forward', 'pod/web', `:${port}`], 'ignore', { env });
  let said = '';
  forward.child.stdout?.on('data', (chunk) => {
    said += chunk;
  });
  await expect.poll(() => said, { timeout: 20_000 }).toMatch(/127\.0\.0\.1:\d+ ->/);
  const local = Number(/127\.0\.0\.1:(\d+) ->/.exec(said)?.[1]);
  const socket = connect({ host: '127.0.0.1', port: local, allowHalfOpen: true });
  socket.end('through the port');
  expect(await text(socket)).toBe('through the port');
  await forward.kill('SIGINT');
  await cluster.site.empty();
});
