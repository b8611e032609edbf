// A hostile broker, or something else in a broker's place: a peer's link ends with a code and a message that is one
// bounded line, and the same process uses a good broker after all of them.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Link } from '../../src/link/link.ts';
import type { FairleadError } from '../../src/protocol/errors.ts';
import { type BrokerRow, brokerRows } from './broker-rows.ts';
import { BrokerUnderFire } from './broker-under-fire.ts';

let row: BrokerRow;
let server: Server;
let url: string;
const sockets = new Set<Socket>();
beforeAll(async () => {
  server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    socket.on('close', () => sockets.delete(socket));
    socket.once('data', (request) => answer(socket, request.toString('latin1')));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
});
afterAll(() => {
  for (const socket of sockets) socket.destroy();
  server.close();
});

/** A server's frame, RFC 6455 §5.2. */
function frame(opcode: number, payload: Uint8Array): Buffer {
  const long = payload.length < 126 ? [payload.length] : [126, payload.length >> 8, payload.length & 0xff];
  return Buffer.concat([Buffer.from([0x80 | opcode, ...long]), payload]);
}

function answer(socket: Socket, request: string): void {
  const key = /^sec-websocket-key: (\S+)/im.exec(request)?.[1] ?? '';
  // RFC 6455 §1.3
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');
  if (row.http !== undefined) {
    socket.write(row.http.replace('{accept}', accept));
    if (!row.http.startsWith('HTTP/1.1 101 Switching Protocols')) socket.end();
    return;
  }
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
  lines.push(`Sec-WebSocket-Accept: ${accept}`, 'Sec-WebSocket-Protocol: fairlead.v1', '', '');
  socket.write(lines.join('\r\n'));
  for (const message of row.messages ?? [])
    socket.write(typeof message === 'string' ? frame(1, Buffer.from(message)) : frame(2, message));
  if (row.bytes !== undefined) socket.write(row.bytes);
  if (row.close !== undefined) {
    const [code, reason] = row.close;
    socket.write(frame(8, Buffer.concat([Buffer.from([code >> 8, code & 0xff]), Buffer.from(reason)])));
  }
}

const silent = { hello() {}, control() {}, message() {}, drained() {} };

function endOfLink(to: string, token: string): Promise<FairleadError> {
  return new Promise((resolve) => {
    new Link(
      { url: to, token },
      '/v1/agent',
      { node: 'edge-1', instance: 'a' },
      { ...silent, closed: resolve },
    );
  });
}

test.each(brokerRows)('$name', async (given) => {
  row = given;
  const error = await endOfLink(url, 'a.b.token-marker');
  expect(error).toMatchObject({ name: 'FairleadError', code: given.code });
  expect(error.message).toContain(given.says);
  expect(error.message).not.toContain('token-marker');
  expect(error.message.length).toBeLessThan(600);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: there must be none
  expect(error.message).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
});

test('after all of them this process opens a good link', async () => {
  const broker = await BrokerUnderFire.start();
  try {
    const hello = await new Promise((resolve, reject) => {
      const access = { url: broker.url, token: broker.token('agent') };
      const link = new Link(
        access,
        '/v1/agent',
        { node: 'edge-1', instance: 'a' },
        {
          ...silent,
          hello(said) {
            resolve(said);
            link.close();
          },
          closed: reject,
        },
      );
    });
    expect(hello).toHaveProperty('maxMessageBytes');
  } finally {
    await broker.close();
  }
});
