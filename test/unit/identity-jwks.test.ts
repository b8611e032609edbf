// Keys behind a URL: fetched seldom, read with bounds, and kept while nobody answers.

import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { silentLog } from '../../src/broker/broker-log.ts';
import { RemoteKeys } from '../../src/broker/identity-jwks.ts';
import { jwkSet, makeSigner } from './identity-keys.ts';

const first = await makeSigner('EdDSA', 'first');
const second = await makeSigner('EdDSA', 'second');

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0)) await step();
});

/** A server of keys whose answer the test changes, and a clock that it turns. */
async function served(answer: RequestListener) {
  const state = { answer, requests: 0, nowMs: 0 };
  const server = createServer((request, response) => {
    state.requests++;
    state.answer(request, response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => {
    server.closeAllConnections();
    return new Promise((resolve) => server.close(resolve));
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  const keys = new RemoteKeys({ url, log: silentLog, now: () => state.nowMs });
  const kids = async (wanted?: string) => (await keys.find(wanted)).map(({ kid }) => kid);
  return { state, kids };
}

const answers =
  (text: string): RequestListener =>
  (_, response) =>
    void response.end(text);

test('keys are fetched once, and again when they are ten minutes old', async () => {
  const { state, kids } = await served(answers(jwkSet(first)));
  expect(await Promise.all([kids(), kids('first'), kids()])).toEqual([['first'], ['first'], ['first']]);
  expect(state.requests).toBe(1);
  state.answer = answers(jwkSet(second));
  state.nowMs = 599_999;
  expect(await kids('first')).toEqual(['first']);
  state.nowMs = 600_000;
  expect(await kids('first')).toEqual(['second']);
  expect(state.requests).toBe(2);
});

test('a token that names a new key has it fetched, but not more often than every half minute', async () => {
  const { state, kids } = await served(answers(jwkSet(first)));
  await kids();
  state.answer = answers(jwkSet(first, second));
  expect(await kids('second')).toEqual(['first']);
  state.nowMs = 30_000;
  expect(await kids('second')).toEqual(['first', 'second']);
  for (let i = 0; i < 50; i++) await kids(`unknown-${i}`);
  expect(state.requests).toBe(2);
});

const bad: readonly [string, RequestListener][] = [
  ['an error', (_, response) => void response.writeHead(500).end()],
  ['text', answers('hello')],
  ['no keys', answers('{"keys":[]}')],
  ['a private key', answers(JSON.stringify({ keys: [{ ...second.publicJwk, d: 'AA' }] }))],
  ['a redirect', (_, response) => void response.writeHead(302, { location: 'http://127.0.0.1:1/' }).end()],
  ['more than a key set', answers(`{"keys":[],"x":"${'x'.repeat(300_000)}"}`)],
  ['half an answer', (_, response) => void response.write('{"keys":[', () => response.destroy())],
];

test.each(bad)('the last good keys stay in use while the URL gives %s', async (_name, answer) => {
  const { state, kids } = await served(answers(jwkSet(first)));
  await kids();
  state.answer = answer;
  state.nowMs = 3_600_000;
  expect(await kids('first')).toEqual(['first']);
  expect(state.requests).toBe(2);
  // Nobody waits for the next attempt before it is due.
  expect(await kids('first')).toEqual(['first']);
  expect(state.requests).toBe(2);
  state.answer = answers(jwkSet(second));
  state.nowMs += 30_000;
  expect(await kids()).toEqual(['second']);
});

test.each(bad)('a broker that has never had keys says so while the URL gives %s', async (_name, answer) => {
  const { state, kids } = await served(answer);
  await expect(kids()).rejects.toMatchObject({ code: 'ERR_BROKER_UNREACHABLE' });
  state.answer = answers(jwkSet(first));
  state.nowMs = 30_000;
  expect(await kids()).toEqual(['first']);
});

test.each([
  'keys.json',
  'http://keys.example/jwks',
  'http://127.0.0.1.evil.example/jwks',
  'ftp://127.0.0.1/jwks',
  'file:///etc/passwd',
  'https://user:password@keys.example/jwks',
])('keys are not fetched from %s', (url) => {
  expect(() => new RemoteKeys({ url, log: silentLog })).toThrowError(
    expect.objectContaining({ code: 'ERR_CONFIG' }),
  );
});
