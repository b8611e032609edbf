// Bytes on an open link that are no WebSocket messages, or none of ours: the link ends with its code, and the same
// broker carries a good link's messages after all of them.

import { connect } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { encodeControl } from '../../src/protocol/control.ts';
import { frameTypes } from '../../src/protocol/frame.ts';
import { BrokerUnderFire } from './broker-under-fire.ts';
import { requestText } from './raw-http.ts';
import { RawPeer } from './raw-peer.ts';
import { webSocketRows } from './websocket-rows.ts';

let broker: BrokerUnderFire;
beforeAll(async () => {
  broker = await BrokerUnderFire.start();
});
afterAll(() => broker.close());

const path = '/v1/dial?node=edge-1&session=00000000000000ff';

/** Opens a link by hand, sends the bytes, and answers what the broker's close frame says. */
function closeAnswer(bytes: Buffer): Promise<{ code: number; reason: string }> {
  const upgrade = requestText(`GET ${path} HTTP/1.1`, [
    ['Host', '127.0.0.1'],
    ['Connection', 'Upgrade'],
    ['Upgrade', 'websocket'],
    ['Sec-WebSocket-Version', '13'],
    ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
    ['Sec-WebSocket-Protocol', 'fairlead.v1'],
    ['Authorization', `Bearer ${broker.token('dial')}`],
  ]);
  return new Promise((resolve, reject) => {
    const socket = connect(broker.port, '127.0.0.1', () => socket.write(upgrade));
    let received: Buffer = Buffer.alloc(0);
    let isOpen = false;
    socket.on('error', () => {});
    socket.on('data', (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (!isOpen) {
        const end = received.indexOf('\r\n\r\n');
        if (end === -1) return;
        isOpen = true;
        received = received.subarray(end + 4);
        socket.write(bytes);
      }
      const close = closeFrame(received);
      if (close === undefined) return;
      socket.destroy();
      resolve(close);
    });
    socket.on('close', () => reject(new Error('the connection ended without a close frame')));
  });
}

/** The close frame among what a server sent, unmasked as it must be. */
function closeFrame(bytes: Buffer): { code: number; reason: string } | undefined {
  for (let at = 0; at + 2 <= bytes.length; ) {
    const short = (bytes[at + 1] ?? 0) & 0x7f;
    const start = at + (short === 126 ? 4 : 2);
    const length = short === 126 ? bytes.readUInt16BE(at + 2) : short;
    const body = bytes.subarray(start, start + length);
    if (((bytes[at] ?? 0) & 0x0f) === 8)
      return { code: body.readUInt16BE(0), reason: body.toString('utf8', 2) };
    at = start + length;
  }
  return undefined;
}

test.each(webSocketRows)('$name', async ({ bytes, code, says }) => {
  const close = await closeAnswer(bytes);
  expect(close.code).toBe(code);
  expect(close.reason).toContain(says);
});

test('after all of them the same broker answers a good link', async () => {
  const peer = await RawPeer.join(broker.url, path, broker.token('dial'));
  peer.send(encodeControl(frameTypes.PING, 7n));
  expect((await peer.hearsControl(frameTypes.PONG)).session).toBe(7n);
  peer.end();
});
