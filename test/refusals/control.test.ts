// What a peer must not say to its broker ends its own link, with a code and a reason, and nobody else's: a
// bystander's link stays open through all of them and is answered at the end.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeControl } from '../../src/protocol/control.ts';
import { frameTypes } from '../../src/protocol/frame.ts';
import { BrokerUnderFire } from './broker-under-fire.ts';
import { type ControlRow, controlRows } from './control-rows.ts';
import { frame, message, RawPeer } from './raw-peer.ts';

let broker: BrokerUnderFire;
let bystander: RawPeer;
beforeAll(async () => {
  broker = await BrokerUnderFire.start();
  bystander = await RawPeer.join(
    broker.url,
    '/v1/dial?node=edge-2&session=0000000000000001',
    broker.token('dial'),
  );
});
afterAll(async () => {
  bystander.end();
  await broker.close();
});

const paths = {
  dialer: '/v1/dial?node=edge-1&session=00000000000000ff',
  agent: '/v1/agent?node=edge-1&instance=first&routes=192.0.2.0/24',
};

function bytesOf({ bytes, type = 0, session = 0n, body = '' }: ControlRow): Buffer {
  if (bytes !== undefined) return bytes;
  const text = Buffer.isBuffer(body) || typeof body === 'string' ? body : JSON.stringify(body);
  const payload = Buffer.isBuffer(text) ? text : Buffer.from(broker.withTokens(text));
  const head = frame({ type, payload });
  head.writeBigUInt64BE(session, 8);
  return message(0n, head);
}

test.each(controlRows)('$name, from $from', async (row) => {
  const peer = await RawPeer.join(
    broker.url,
    paths[row.from],
    broker.token(row.from === 'dialer' ? 'dial' : 'agent'),
  );
  peer.send(bytesOf(row));
  const { code, reason } = await peer.closed;
  expect(code).toBe(row.code);
  expect(reason).toContain(row.says);
  broker.showsNoSecret(reason);
});

test('after all of them the bystander is answered, on the link that it had before', async () => {
  bystander.send(encodeControl(frameTypes.PING, 9n));
  expect((await bystander.hearsControl(frameTypes.PONG)).session).toBe(9n);
});
