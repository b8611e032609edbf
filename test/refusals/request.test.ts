// What the broker's HTTP routes refuse, each with its status, code and message; the same broker answers a good
// request after all of them.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { BrokerUnderFire } from './broker-under-fire.ts';
import { exchange, requestText } from './raw-http.ts';
import { requestRows } from './request-rows.ts';

let broker: BrokerUnderFire;
beforeAll(async () => {
  broker = await BrokerUnderFire.start();
});
afterAll(() => broker.close());

const goodHeaders = { authorization: 'Bearer {dial}' };

function ask(path: string, method = 'GET', headers: Readonly<Record<string, string>> = goodHeaders) {
  const all = Object.entries({ host: `127.0.0.1:${broker.port}`, connection: 'close', ...headers });
  return exchange(broker.port, broker.withTokens(requestText(`${method} ${path} HTTP/1.1`, all)));
}

test.each(requestRows)('$name', async ({ path, method, headers, status, code, says }) => {
  const answer = await ask(path, method, headers);
  expect(answer).toMatchObject({ status, code });
  expect(answer.message).toContain(says);
  expect(answer.message.length).toBeLessThan(400);
  expect(answer.head).not.toMatch(/^(set-cookie|access-control)/im);
  broker.showsNoSecret(answer.head + answer.message);
});

test('after all of them the same broker lists its nodes, for a page of its own, too', async () => {
  expect((await ask('/v1/nodes')).status).toBe(200);
  const origin = `http://127.0.0.1:${broker.port}`;
  expect((await ask('/v1/nodes', 'GET', { ...goodHeaders, origin })).status).toBe(200);
});
