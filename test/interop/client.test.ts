// The dial API against a real broker and a real agent, all in this process.

import { afterEach, expect, test } from 'vitest';
import { type Broker, mintToken, startBroker } from '../../src/broker/index.ts';
import { type BrokerClient, type ConnectOptions, connect } from '../../src/client/index.ts';
import { freePort } from '../rig/free-port.ts';

const secret = 'a secret for tests that is long enough';
const undo: (() => unknown)[] = [];

afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

async function broker(): Promise<Broker> {
  const started = await startBroker({ secret, port: 0, drainMs: 200 });
  undo.push(() => started.close());
  return started;
}

async function client(url: string, options: Partial<ConnectOptions> = {}): Promise<BrokerClient> {
  const token = await mintToken({ secret, dial: ['edge-*'] });
  const made = connect({ url, token, ...options });
  undo.push(() => made.close());
  return made;
}

const target = { node: 'edge-1', host: '127.0.0.1', port: 1 };

test('a node that nobody serves fails at once', async () => {
  const { url } = await broker();
  const dialer = await client(url, { dialTimeoutMs: 60_000 });
  await expect(dialer.dial(target)).rejects.toMatchObject({ code: 'ERR_NODE_UNREACHABLE' });
});

test('a token that the broker does not take is ERR_UNAUTHORIZED', async () => {
  const { url } = await broker();
  const token = await mintToken({ secret: 'another secret that is long enough, too', dial: ['*'] });
  const dialer = await client(url, { token, dialTimeoutMs: 60_000 });
  await expect(dialer.dial(target)).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
  await expect(dialer.nodes()).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
});

test('a node that the token does not name is ERR_FORBIDDEN', async () => {
  const { url } = await broker();
  const dialer = await client(url, { dialTimeoutMs: 60_000 });
  await expect(dialer.dial({ ...target, node: 'other' })).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
});

test('a broker that is not there is ERR_BROKER_UNREACHABLE within the dial’s limit', async () => {
  const dialer = await client(`ws://127.0.0.1:${await freePort()}`);
  await expect(dialer.dial({ ...target, timeoutMs: 50 })).rejects.toMatchObject({
    code: 'ERR_BROKER_UNREACHABLE',
    message: expect.stringContaining('ECONNREFUSED'),
  });
});

test('what is no broker URL is refused before anything is opened', () => {
  const token = 'unused';
  expect(() => connect({ url: 'nonsense', token })).toThrow(/not a URL/);
  expect(() => connect({ url: 'ws://broker.example.com', token })).toThrow(/unencrypted/);
  expect(() => connect({ url: 'ws://localhost', token, idleLinkMs: -1 })).toThrow(/idleLinkMs/);
});

test('an aborted dial rejects with ERR_ABORTED and the reason', async () => {
  const dialer = await client(`ws://127.0.0.1:${await freePort()}`);
  const controller = new AbortController();
  const dial = dialer.dial({ ...target, signal: controller.signal });
  const reason = new Error('changed my mind');
  controller.abort(reason);
  await expect(dial).rejects.toMatchObject({ code: 'ERR_ABORTED', cause: reason });
  await expect(dialer.dial({ ...target, signal: AbortSignal.abort(reason) })).rejects.toMatchObject({
    code: 'ERR_ABORTED',
  });
});

test('a closed client refuses and a dial under way fails', async () => {
  const dialer = await client(`ws://127.0.0.1:${await freePort()}`);
  const dial = dialer.dial(target);
  const failed = expect(dial).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  await dialer.close();
  await failed;
  await expect(dialer.dial(target)).rejects.toMatchObject({ code: 'ERR_CLOSED' });
});
