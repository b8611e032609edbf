// GET /v1/status: what it tells of links that are really open, to whom, and what becomes of bad input.

import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { startAgent } from '../../src/agent/index.ts';
import { type Broker, type MintOptions, mintToken } from '../../src/broker/index.ts';
import { connect } from '../../src/client/index.ts';
import { encodeControl } from '../../src/protocol/control.ts';
import { frameTypes } from '../../src/protocol/frame.ts';
import type { Status } from '../../src/protocol/status.ts';
import { opened, secret, start } from './started-broker.ts';

const ops = () => mintToken({ secret, dial: ['edge-*'] });

async function agentOf(broker: Broker, node: string, more: object = {}): Promise<void> {
  const token = await mintToken({ secret, agent: node });
  const agent = await startAgent({
    url: broker.url,
    token: () => token,
    node,
    allow: [],
    version: '1.2.3',
    ...more,
  });
  opened.push(agent);
}

/** Answers, and so connects, until the test is over. */
async function echo(): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  opened.push(server);
  return (server.address() as AddressInfo).port;
}

async function ask(broker: Broker, grant?: Partial<MintOptions>): Promise<Response> {
  const headers: Record<string, string> = {};
  if (grant !== undefined)
    headers.authorization = `Bearer ${await mintToken({ secret, ...grant } as MintOptions)}`;
  return fetch(`${broker.url.replace('ws', 'http')}/v1/status`, { headers });
}

test('the status tells of the broker, and of the nodes that the token grants', async () => {
  const broker = await start({ version: '9.9.9', idleMs: 20 });
  await agentOf(broker, 'edge-1', { instance: 'one' });
  await agentOf(broker, 'other');
  const token = await ops();
  const client = connect({ url: broker.url, token: () => token });
  opened.push(client);
  await expect.poll(async () => (await client.status()).nodes[0]?.instances[0]?.rttMs).toBeGreaterThan(0);
  const status = await client.status();
  expect(status.broker).toMatchObject({
    version: '9.9.9',
    engine: 'memory',
    draining: false,
    links: { agent: 2, dial: 0 },
    sessions: 0,
    received: { dialBytes: 0 },
    bufferedBytes: 0,
  });
  expect(Date.parse(status.broker.startedAt ?? '')).toBeLessThanOrEqual(Date.now());
  expect(status.nodes.map(({ node }) => node)).toEqual(['edge-1']);
  expect(status.nodes[0]?.instances).toMatchObject([
    { instance: 'one', version: '1.2.3', state: 'ready', address: '127.0.0.1', routes: [], sessions: 0 },
  ]);
  expect(status.nodes[0]?.instances[0]?.receivedBytes).toBeGreaterThan(0);
  expect(status.nodes[0]?.instances[0]?.sentBytes).toBeGreaterThan(0);
  expect(status.partial).toBeUndefined();
});

test('an agent tells its labels, its streams and what failed last', async () => {
  const broker = await start();
  const labels = {
    site: 'Würzburg',
    'example.com/rack': 'b-12',
    note: '<img src=x onerror=alert(1)>',
    constructor: '',
  };
  await agentOf(broker, 'edge-1', { allow: ['127.0.0.1:*'], labels });
  const port = await echo();
  const token = await ops();
  const client = connect({ url: broker.url, token: () => token });
  opened.push(client);
  const told = async () => (await client.status()).nodes[0]?.instances[0];
  expect((await told())?.labels).toEqual(labels);
  const socket = await client.dial({ node: 'edge-1', host: '127.0.0.1', port });
  await expect(client.dial({ node: 'edge-1', host: '127.0.0.1', port: 1 })).rejects.toThrow();
  await expect.poll(told, { timeout: 10_000 }).toMatchObject({
    streams: 1,
    sessions: 1,
    lastError: { code: 'ECONNREFUSED', reason: expect.stringContaining('127.0.0.1:1') },
  });
  socket.destroy();
});

test('what an agent says of itself is one line in one direction', async () => {
  const broker = await start();
  const headers = { authorization: `Bearer ${await mintToken({ secret, agent: 'edge-1' })}` };
  const query = 'node=edge-1&instance=one&labels=site%3Dberlin';
  const peer = new WebSocket(`${broker.url}/v1/agent?${query}`, 'fairlead.v1', { headers });
  opened.push({ close: () => peer.terminate() });
  await once(peer, 'message');
  const lastError = { code: 'E\u001b[2J', reason: 'a\nb\u202ec', at: '2026-01-01T00:00:00Z' };
  peer.send(encodeControl(frameTypes.STATUS, 0n, { streams: 7, lastError }));
  peer.send(encodeControl(frameTypes.PING, 1n));
  await once(peer, 'message');
  const { nodes } = (await (await ask(broker, { dial: ['*'] })).json()) as Status;
  expect(nodes[0]?.instances[0]).toMatchObject({
    streams: 7,
    lastError: { code: 'E [2J', reason: 'a b c', at: '2026-01-01T00:00:00Z' },
  });
});

test('whoever has a token of an agent is not told', async () => {
  const broker = await start();
  const refused = await ask(broker, { agent: 'edge-1' });
  expect([refused.status, ((await refused.json()) as { error: { code: string } }).error.code]).toEqual([
    403,
    'ERR_FORBIDDEN',
  ]);
});

test.each([
  ['seventeen labels', Array.from({ length: 17 }, (_, i) => `k${i}=v`).join('&')],
  ['a label that is given twice', 'site=a&site=b'],
  ['a key with a space', 'a b=c'],
  ['a key that is the prototype of all', '__proto__=x'],
  ['a value of two lines', 'site=a%0Ab'],
  ['a value that turns the direction of text', 'site=a%E2%80%AEb'],
  ['a value of 64 characters', `site=${'x'.repeat(64)}`],
])('an agent with %s is turned away', async (_, labels) => {
  const broker = await start();
  const query = new URLSearchParams({ node: 'edge-1', instance: 'one', labels });
  const headers = { authorization: `Bearer ${await mintToken({ secret, agent: 'edge-1' })}` };
  const peer = new WebSocket(`${broker.url}/v1/agent?${query}`, 'fairlead.v1', { headers });
  peer.on('error', () => {});
  const [, response] = (await once(peer, 'unexpected-response')) as [unknown, { statusCode: number }];
  expect(response.statusCode).toBe(400);
});
