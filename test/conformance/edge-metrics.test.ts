// The edge's figures: the same names as anywhere, for whoever may dial every node, and not forgotten with an object.

import { once } from 'node:events';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { mintToken } from '../../src/broker/index.ts';
import { EdgeBroker } from '../rig/edge.ts';
import { type Figures, lint, samplesOf, typesOf } from '../rig/prometheus.ts';
import { Network, Rig } from '../rig/rig.ts';
import { Peers, secret } from './suite.ts';

const rig = new Rig();
let edge: EdgeBroker;

beforeAll(async () => {
  rig.write('secret', `${secret}\n`);
  edge = await EdgeBroker.start(rig, { COUNT_SECONDS: '1', DIRECTORY_SHARDS: '2' });
});
afterAll(() => rig[Symbol.asyncDispose]());

async function ask(token?: string): Promise<Response> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return await fetch(`${edge.url.replace('ws', 'http')}/metrics`, { headers });
}

async function text(): Promise<string> {
  const response = await ask(await mintToken({ secret, dial: ['*'] }));
  expect(response.status).toBe(200);
  expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
  return await response.text();
}

async function figures(isSo: (now: Figures) => boolean): Promise<Figures> {
  for (;;) {
    const now = samplesOf(await text());
    if (isSo(now)) return now;
    await new Promise((resolve) => setTimeout(resolve, 200));
  }
}

test('figures are for those whose token grants every node', async () => {
  expect((await ask()).status).toBe(401);
  expect((await ask(await mintToken({ secret, agent: 'edge-1' }))).status).toBe(403);
  expect((await ask(await mintToken({ secret, dial: ['edge-*'] }))).status).toBe(403);
});

test('what nodes’ objects count is summed, and outlives them', { timeout: 60_000 }, async () => {
  await using it = new Peers(
    { agentUrl: edge.url, dialUrl: edge.url, kill: (node) => edge.abort(node) },
    'counted',
  );
  const port = await it.echoTarget();
  await it.agent();
  const client = await it.client();
  const socket = await it.dial(client, port);
  socket.write('x'.repeat(50_000));
  let echoed = 0;
  while (echoed < 50_000) echoed += ((await once(socket, 'data'))[0] as Buffer).length;
  const received = 'fairlead_received_bytes_total{from="agent"}';
  const before = await figures(
    (now) => (now.get(received) ?? 0) > 50_000 && now.get('fairlead_links{kind="dial"}') === 1,
  );
  expect(before.get('fairlead_nodes')).toBe(1);
  expect(before.get('fairlead_links{kind="agent"}')).toBe(1);
  expect(before.get('fairlead_sent_bytes_total{to="dial"}')).toBeGreaterThan(50_000);
  // Its memory is gone with it.
  expect(await edge.abort(it.node)).toBe(1);
  socket.write('and again');
  await once(socket, 'data');
  const after = await figures((now) => (now.get(received) ?? 0) > (before.get(received) ?? 0));
  expect(after.get('fairlead_links_opened_total')).toBeGreaterThan(2);
});

test('they are well-formed, by the names of the other engines', async () => {
  await using other = new Rig();
  const network = await Network.start(other);
  const onNode = typesOf(await (await fetch(`http://127.0.0.1:${network.port}/metrics`)).text());
  const onEdge = await text();
  expect(await lint(rig, onEdge)).toEqual([]);
  expect(typesOf(onEdge).size).toBeGreaterThan(10);
  for (const [name, type] of typesOf(onEdge)) expect(onNode.get(name), name).toBe(type);
});
