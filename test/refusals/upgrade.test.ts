// Requests for a link that are not to be granted: each is answered with its status, code and message, and the
// same broker opens a good link after all of them.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { BrokerUnderFire } from './broker-under-fire.ts';
import { exchange, type Header, requestText } from './raw-http.ts';
import { type UpgradeRow, upgradeRows } from './upgrade-rows.ts';

let broker: BrokerUnderFire;
beforeAll(async () => {
  broker = await BrokerUnderFire.start();
});
afterAll(() => broker.close());

const goodPath = '/v1/dial?node=edge-1&session=00000000000000ff';
const goodHeaders: Readonly<Record<string, string>> = {
  host: '127.0.0.1',
  connection: 'Upgrade',
  upgrade: 'websocket',
  'sec-websocket-version': '13',
  'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZQ==',
  'sec-websocket-protocol': 'fairlead.v1',
  authorization: 'Bearer {dial}',
};

function textOf({ line, path = goodPath, headers = {}, more = [] }: Partial<UpgradeRow>): string {
  const all = Object.entries({ ...goodHeaders, ...headers }).filter(
    (header): header is [string, string] => header[1] !== undefined,
  );
  const lines: Header[] = [...all, ...more];
  return broker.withTokens(requestText(line ?? `GET ${path} HTTP/1.1`, lines));
}

test.each(upgradeRows)('$name', async (row) => {
  const answer = await exchange(broker.port, textOf(row));
  // Where Node's parser answers and closes with bytes unread, the reset may overtake its answer.
  const statuses = row.code === '' ? [row.status, 0] : [row.status];
  expect(statuses).toContain(answer.status);
  expect(answer.code).toBe(row.code);
  expect(answer.message).toContain(row.says);
  expect(answer.head).not.toMatch(/^(sec-websocket-accept|set-cookie|access-control)/im);
  broker.showsNoSecret(answer.head + answer.message);
});

test('after all of them the same broker opens a good link', async () => {
  expect(broker.links).toBe(0);
  expect((await exchange(broker.port, textOf({}))).status).toBe(101);
});
