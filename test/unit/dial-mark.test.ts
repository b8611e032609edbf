// What a dial is known by on its way: taken where it is well-formed, and never a reason for a dial to fail.

import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import { mintToken, startBroker } from '../../src/broker/index.ts';
import { type ConnectOptions, connect, FairleadError } from '../../src/client/index.ts';
import { decodeRequest } from '../../src/e2e/greeting.ts';
import { decodeOpen, encodeJson } from '../../src/protocol/open.ts';
import { acquainted } from '../rig/identities.ts';

type AgentOptions = Parameters<typeof startAgent>[0];

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
const traceparent = `00-${trace}-00f067aa0ba902b7-01`;
const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

/** A broker, an agent whose log is kept, and a client. */
async function path(agentOptions: Partial<AgentOptions> = {}, connectOptions: Partial<ConnectOptions> = {}) {
  const secret = 'a secret for tests that is long enough';
  const broker = await startBroker({ secret, port: 0, drainMs: 100 });
  undo.push(() => broker.close());
  const lines: Record<string, unknown>[] = [];
  const keep = (fields: object) => void lines.push(fields as Record<string, unknown>);
  const agent = await startAgent({
    url: broker.url,
    token: await mintToken({ secret, agent: 'edge-1' }),
    node: 'edge-1',
    allow: ['127.0.0.1:*'],
    log: { debug: keep, info: keep, warn: keep, error: keep },
    ...agentOptions,
  });
  undo.push(() => agent.close());
  const token = await mintToken({ secret, dial: ['edge-1'] });
  const client = connect({ url: broker.url, token, ...connectOptions });
  undo.push(() => client.close());
  const server = createServer((socket) => socket.on('error', () => {}).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  undo.push(() => server.close());
  const target = { node: 'edge-1', host: '127.0.0.1', port: (server.address() as AddressInfo).port };
  return { client, target, lines };
}

test('the agent logs the request id and the trace of a dial, and the socket says the id', async () => {
  const { client, target, lines } = await path();
  const socket = await client.dial({ ...target, requestId: 'my-request_1', traceparent });
  socket.destroy();
  expect(socket.requestId).toBe('my-request_1');
  expect(lines).toContainEqual(
    expect.objectContaining({ event: 'stream-open', request: 'my-request_1', trace }),
  );
});

test('with end-to-end encryption both are told inside', async () => {
  const { agentSide, dialerSide } = await acquainted();
  const { client, target, lines } = await path({ e2e: agentSide }, { e2e: dialerSide });
  const socket = await client.dial({ ...target, requestId: 'inside', traceparent });
  socket.destroy();
  expect(lines).toContainEqual(expect.objectContaining({ event: 'stream-open', request: 'inside', trace }));
});

test('a dial that fails says the id that the agent logged, one of its own where none was given', async () => {
  const { client, target, lines } = await path();
  const error = await client.dial({ ...target, host: '192.0.2.1' }).catch((failure: unknown) => failure);
  expect(error).toBeInstanceOf(FairleadError);
  const { requestId, code } = error as FairleadError;
  expect(code).toBe('ERR_TARGET_DENIED');
  expect(requestId).toMatch(/^[A-Za-z0-9_-]{21}$/);
  expect(lines).toContainEqual(expect.objectContaining({ event: 'stream-refused', request: requestId }));
});

test('two dials that fail with their link keep an id each', async () => {
  const { client, target } = await path();
  const failures = await Promise.all(
    ['one', 'two'].map((requestId) =>
      client.dial({ ...target, node: 'edge-2', requestId }).catch((failure: unknown) => failure),
    ),
  );
  expect(failures.map((failure) => (failure as FairleadError).requestId)).toEqual(['one', 'two']);
});

test('a program that gives a malformed one is told so', async () => {
  const { client, target } = await path();
  for (const wrong of [{ requestId: 'a b' }, { requestId: '' }, { traceparent: traceparent.toUpperCase() }])
    await expect(client.dial({ ...target, ...wrong })).rejects.toMatchObject({ code: 'ERR_CONFIG' });
});

test('what a peer sends malformed is as good as none', () => {
  const target = { host: 'a', port: 1 };
  expect(decodeOpen(encodeJson({ ...target, id: 'x'.repeat(64), traceparent }))).toEqual({
    ...target,
    id: 'x'.repeat(64),
    traceparent,
  });
  for (const id of ['', 'x'.repeat(65), 'a\nb', 'é', 1, null, {}])
    expect(decodeOpen(encodeJson({ ...target, id }))).toEqual(target);
  for (const wrong of [
    traceparent.slice(1),
    `${traceparent}-00`,
    `ff${traceparent.slice(2)}`,
    `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`,
    `00-${trace}-${'0'.repeat(16)}-01`,
    `${traceparent}\n`,
    7,
  ]) {
    expect(decodeOpen(encodeJson({ ...target, traceparent: wrong }))).toEqual(target);
    expect(decodeRequest(encodeJson({ node: 'edge-1', ...target, traceparent: wrong, id: '' }))).toEqual({
      node: 'edge-1',
      ...target,
    });
  }
});
