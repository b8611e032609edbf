// What a broker, or whatever answers in its place, must not say to a peer.

import { encodeControl } from '../../src/protocol/control.ts';
import { frameTypes } from '../../src/protocol/frame.ts';

export interface BrokerRow {
  readonly name: string;
  /** The answer to the upgrade; absent: a good 101. */
  readonly http?: string;
  /** Messages after it, in order; a text goes out as a text message. */
  readonly messages?: readonly (Buffer | Uint8Array | string)[];
  /** Bytes after it, as they are. */
  readonly bytes?: Buffer;
  /** Or the broker closes the link. */
  readonly close?: readonly [code: number, reason: string];
  readonly code: string;
  readonly says: string;
}

const hello = (body: unknown) => {
  const text = typeof body === 'string' ? body : JSON.stringify(body);
  const message = encodeControl(frameTypes.HELLO, 0n);
  message[10] = Buffer.byteLength(text) >> 8;
  message[11] = Buffer.byteLength(text) & 0xff;
  return Buffer.concat([message, Buffer.from(text)]);
};
const good = { version: '1', maxMessageBytes: 262_144, inFlightBytes: 1_048_576 };
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');

const protocol = { code: 'ERR_PROTOCOL' } as const;
const away = { code: 'ERR_BROKER_UNREACHABLE' } as const;
const shape = (name: string, body: unknown): BrokerRow => ({
  name: `a HELLO ${name}`,
  messages: [hello(body)],
  ...protocol,
  says: 'wrong shape',
});
const status = (line: string, body = '', headers = ''): string =>
  `HTTP/1.1 ${line}\r\n${headers}content-length: ${Buffer.byteLength(body)}\r\nconnection: close\r\n\r\n${body}`;
const refusal = (message: string) => JSON.stringify({ error: { code: 'E', message } });
const upgrade = 'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n';

const answers: readonly BrokerRow[] = [
  { name: 'a page', http: status('200 OK', '<html>'), ...away, says: 'HTTP 200' },
  {
    name: 'a redirect',
    http: status('302 Found', '', 'location: http://127.0.0.1:1/\r\n'),
    ...away,
    says: 'HTTP 302',
  },
  {
    name: 'a refusal of the request',
    http: status('400 Bad Request', refusal('no node')),
    code: 'ERR_CONFIG',
    says: 'no node',
  },
  {
    name: 'a refusal of the token',
    http: status('401 Unauthorized', refusal('expired')),
    code: 'ERR_UNAUTHORIZED',
    says: 'expired',
  },
  {
    name: 'a refusal of the grant',
    http: status('403 Forbidden', refusal('not this node')),
    code: 'ERR_FORBIDDEN',
    says: 'not this node',
  },
  {
    name: 'a refusal that is no JSON',
    http: status('403 Forbidden', '<html>'),
    code: 'ERR_FORBIDDEN',
    says: 'HTTP 403',
  },
  {
    name: 'a refusal whose message is a number',
    http: status('403 Forbidden', '{"error":{"message":7}}'),
    code: 'ERR_FORBIDDEN',
    says: 'HTTP 403',
  },
  {
    name: 'a refusal without an error',
    http: status('403 Forbidden', '{"error":null}'),
    code: 'ERR_FORBIDDEN',
    says: 'HTTP 403',
  },
  {
    name: 'a refusal that would move the cursor',
    http: status('403 Forbidden', refusal('\u001b[2Jgone\r\nnext\u009b1m')),
    code: 'ERR_FORBIDDEN',
    says: 'gone',
  },
  {
    name: 'a refusal of 100,000 characters',
    http: status('403 Forbidden', refusal('x'.repeat(100_000))),
    code: 'ERR_FORBIDDEN',
    says: '',
  },
  { name: 'another path', http: status('404 Not Found'), ...away, says: 'no broker at this URL' },
  {
    name: 'too many requests',
    http: status('429 Too Many Requests', refusal('slow down')),
    ...away,
    says: 'slow down',
  },
  { name: 'an error', http: status('500 Internal Server Error'), ...away, says: 'HTTP 500' },
  {
    name: 'a shutdown',
    http: status('503 Service Unavailable', refusal('again soon')),
    ...away,
    says: 'again soon',
  },
  { name: 'what is not HTTP', http: 'SSH-2.0-OpenSSH_9.2\r\n', ...away, says: 'cannot be reached' },
  { name: 'HTTP without an end', http: 'HTTP/1.1 101 Switching', ...away, says: 'cannot be reached' },
  {
    name: 'headers of 100,000 bytes',
    http: `HTTP/1.1 200 OK\r\nx: ${'x'.repeat(100_000)}\r\n\r\n`,
    ...away,
    says: 'cannot be reached',
  },
  { name: 'nothing', http: '', ...away, says: 'cannot be reached' },
  { name: 'an upgrade without its key', http: `${upgrade}\r\n`, ...away, says: 'Sec-WebSocket-Accept' },
  {
    name: "an upgrade with another's key",
    http: `${upgrade}Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n`,
    ...away,
    says: 'Sec-WebSocket-Accept',
  },
  {
    name: 'an upgrade without the subprotocol',
    http: `${upgrade}Sec-WebSocket-Accept: {accept}\r\n\r\n`,
    ...away,
    says: 'subprotocol',
  },
  {
    name: 'an upgrade to another subprotocol',
    http: `${upgrade}Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: chat\r\n\r\n`,
    ...away,
    says: 'subprotocol',
  },
  {
    name: 'compression that nobody asked for',
    http: `${upgrade}Sec-WebSocket-Accept: {accept}\r\nSec-WebSocket-Protocol: fairlead.v1\r\nSec-WebSocket-Extensions: permessage-deflate\r\n\r\n`,
    ...away,
    says: 'Extensions',
  },
];

const greetings: readonly BrokerRow[] = [
  { name: 'a text message', messages: ['hello'], ...protocol, says: 'a text message' },
  {
    name: 'a text message after a good HELLO',
    messages: [hello(good), 'hello'],
    ...protocol,
    says: 'a text message',
  },
  {
    name: 'a PING before the HELLO',
    messages: [encodeControl(frameTypes.PING, 1n)],
    ...protocol,
    says: 'did not begin with HELLO',
  },
  {
    name: 'an ATTACH before the HELLO',
    messages: [encodeControl(frameTypes.ATTACH, 1n, { instance: 'a' })],
    ...protocol,
    says: 'did not begin with HELLO',
  },
  {
    name: 'a frame that there is not before the HELLO',
    messages: [encodeControl(200, 1n)],
    ...protocol,
    says: 'did not begin with HELLO',
  },
  { name: 'an empty control message', messages: [Buffer.alloc(8)], ...protocol, says: 'malformed' },
  { name: 'half a header', messages: [Buffer.alloc(15)], ...protocol, says: 'malformed' },
  {
    name: 'a payload that does not come',
    messages: [hex('0000000000000000 20000004 00000000 0000000000000000')],
    ...protocol,
    says: 'malformed',
  },
  {
    name: 'a HELLO without a payload',
    messages: [encodeControl(frameTypes.HELLO)],
    ...protocol,
    says: 'not JSON',
  },
  { name: 'a HELLO that is no JSON', messages: [hello('{')], ...protocol, says: 'not JSON' },
  shape('that is null', 'null'),
  shape('that is a list', '[]'),
  shape('of nothing', {}),
  shape('without a version', { ...good, version: undefined }),
  shape('with a version of 65 characters', { ...good, version: 'v'.repeat(65) }),
  shape('with a version that is a number', { ...good, version: 1 }),
  shape('without a longest message', { ...good, maxMessageBytes: undefined }),
  shape('with a longest message of 0', { ...good, maxMessageBytes: 0 }),
  shape('with a longest message of -1', { ...good, maxMessageBytes: -1 }),
  shape('with a longest message of 4,095', { ...good, maxMessageBytes: 4095 }),
  shape('with a longest message of 2^31', { ...good, maxMessageBytes: 2 ** 31 }),
  shape('with a longest message of 4096.5', { ...good, maxMessageBytes: 4096.5 }),
  shape('with a longest message in quotes', { ...good, maxMessageBytes: '262144' }),
  shape('with nothing in flight', { ...good, inFlightBytes: 0 }),
  shape('with 65,535 bytes in flight', { ...good, inFlightBytes: 65_535 }),
  shape('with 2^60 bytes in flight', { ...good, inFlightBytes: 2 ** 60 }),
  shape('with a flag that is a text', { ...good, messagesAreDear: 'yes' }),
  {
    name: 'half a header after a good HELLO',
    messages: [hello(good), Buffer.alloc(9)],
    ...protocol,
    says: 'malformed',
  },
];

const endings: readonly BrokerRow[] = [
  { name: 'a masked message', bytes: hex('8281 00000000 00'), ...away, says: 'MASK' },
  { name: 'a reserved bit', bytes: hex('c200'), ...away, says: 'RSV1' },
  { name: 'opcode 3', bytes: hex('8300'), ...away, says: 'opcode' },
  { name: 'a fragmented ping', bytes: hex('0900'), ...away, says: 'FIN' },
  { name: 'a message of 2^63 bytes', bytes: hex('827f8000000000000000'), ...away, says: 'payload' },
  { name: 'a message of 17 MiB', bytes: hex('827f0000000001100000'), ...away, says: 'payload' },
  { name: 'an end without a word', bytes: hex('8800'), ...away, says: '1005' },
  {
    name: 'an end of the token',
    close: [4401, 'the token was revoked'],
    code: 'ERR_UNAUTHORIZED',
    says: 'revoked',
  },
  {
    name: 'an end of the session',
    close: [4403, 'ERR_PRINCIPAL'],
    code: 'ERR_FORBIDDEN',
    says: 'ERR_PRINCIPAL',
  },
  { name: 'an end for a fault of ours', close: [4400, 'malformed'], code: 'ERR_PROTOCOL', says: 'malformed' },
  { name: 'an end for a limit', close: [4429, 'too many'], ...away, says: 'too many' },
  { name: 'an end with a code that there is not', close: [4999, 'unheard of'], ...away, says: '4999' },
  {
    name: 'an end that would move the cursor',
    close: [4403, '\u001b[2Jgone\r\nnext\u009b'],
    code: 'ERR_FORBIDDEN',
    says: 'gone',
  },
];

export const brokerRows: readonly BrokerRow[] = [...answers, ...greetings, ...endings];
