// Bad requests for a link. `{dial}`, `{agent}` … stand for tokens of that name.

import type { Header } from './raw-http.ts';
import { queryRows } from './upgrade-query-rows.ts';

export interface UpgradeRow {
  readonly name: string;
  /** Default: a good GET for a dialer's link. */
  readonly line?: string;
  readonly path?: string;
  /** Laid over those of a good handshake; undefined leaves one out. */
  readonly headers?: Readonly<Record<string, string | undefined>>;
  /** Header lines besides. */
  readonly more?: readonly Header[];
  readonly status: number;
  /** Empty where the HTTP parser answers before the broker is asked. */
  readonly code: string;
  readonly says: string;
}

const session = '00000000000000ff';
const dial = `/v1/dial?node=edge-1&session=${session}`;
const agent = '/v1/agent?node=edge-1&instance=first';
const asAgent = { authorization: 'Bearer {agent}' };

const unauthorized = { status: 401, code: 'ERR_UNAUTHORIZED' } as const;
const bad = { status: 400, code: 'ERR_PROTOCOL' } as const;
const forbidden = { status: 403, code: 'ERR_FORBIDDEN' } as const;
const absent = { status: 404, code: 'ERR_PROTOCOL' } as const;
/** What Node's own parser does with bytes that are not HTTP. */
const notHttp = { status: 400, code: '', says: '' } as const;

const tokens: readonly UpgradeRow[] = [
  { name: 'no token', headers: { authorization: undefined }, ...unauthorized, says: 'a token is needed' },
  { name: 'an empty header', headers: { authorization: '' }, ...unauthorized, says: 'a token is needed' },
  {
    name: 'a scheme alone',
    headers: { authorization: 'Bearer' },
    ...unauthorized,
    says: 'a token is needed',
  },
  {
    name: 'a token without a scheme',
    headers: { authorization: '{dial}' },
    ...unauthorized,
    says: 'a token is needed',
  },
  {
    name: 'another scheme',
    headers: { authorization: 'Basic {dial}' },
    ...unauthorized,
    says: 'a token is needed',
  },
  {
    name: 'a user and password',
    headers: { authorization: 'Basic YTpi' },
    ...unauthorized,
    says: 'a token is needed',
  },
  {
    name: 'two tokens in one header',
    headers: { authorization: 'Bearer {dial} {dial}' },
    ...unauthorized,
    says: 'a token is needed',
  },
  {
    name: 'two tokens with a comma',
    headers: { authorization: 'Bearer {dial}, Bearer {dial}' },
    ...unauthorized,
    says: 'a token is needed',
  },
  {
    name: 'a quoted token',
    headers: { authorization: 'Bearer "{dial}"' },
    ...unauthorized,
    says: 'a token is needed',
  },
  {
    name: 'a parameter behind the token',
    headers: { authorization: 'Bearer {dial};a=b' },
    ...unauthorized,
    says: 'a token is needed',
  },
  {
    name: 'a good token and then another',
    more: [['Authorization', 'Bearer {agent}']],
    ...bad,
    says: 'one Authorization header',
  },
  {
    name: 'the same token in two headers',
    more: [['Authorization', 'Bearer {dial}']],
    ...bad,
    says: 'one Authorization header',
  },
  { name: 'a word', headers: { authorization: 'Bearer word' }, ...unauthorized, says: 'not a valid JWT' },
  { name: 'two parts', headers: { authorization: 'Bearer a.b' }, ...unauthorized, says: 'not a valid JWT' },
  {
    name: 'three parts that are nothing',
    headers: { authorization: 'Bearer a.b.c' },
    ...unauthorized,
    says: 'not a valid JWT',
  },
  {
    name: 'five parts, as an encrypted token has',
    headers: { authorization: 'Bearer a.b.c.d.e' },
    ...unauthorized,
    says: 'not a valid JWT',
  },
  { name: 'dots alone', headers: { authorization: 'Bearer ..' }, ...unauthorized, says: 'not a valid JWT' },
  {
    name: 'a token with its signature cut',
    headers: { authorization: 'Bearer {unsigned}' },
    ...unauthorized,
    says: 'signature',
  },
  {
    name: 'a token by another secret',
    headers: { authorization: 'Bearer {stranger}' },
    ...unauthorized,
    says: 'signature',
  },
  {
    name: 'a token that has ended',
    headers: { authorization: 'Bearer {expired}' },
    ...unauthorized,
    says: 'expired',
  },
  {
    name: 'a token of 9,000 characters',
    headers: { authorization: `Bearer ${'a'.repeat(9000)}` },
    ...unauthorized,
    says: 'too long',
  },
  {
    name: 'a token in the query',
    path: `${dial}&token={dial}`,
    headers: { authorization: undefined },
    ...unauthorized,
    says: 'a token is needed',
  },
  {
    name: 'a token in a cookie',
    headers: { authorization: undefined, cookie: 'token={dial}' },
    ...unauthorized,
    says: 'a token is needed',
  },
  {
    name: 'a token in the subprotocol',
    headers: { authorization: undefined, 'sec-websocket-protocol': 'fairlead.v1, {dial}' },
    ...unauthorized,
    says: 'a token is needed',
  },
  {
    name: 'a token of another node for an agent',
    path: '/v1/agent?node=edge-2&instance=first',
    headers: asAgent,
    ...forbidden,
    says: 'another node',
  },
  { name: 'a dial token for an agent', path: agent, ...forbidden, says: 'for dialing, not for an agent' },
  {
    name: 'an agent token for a dialer',
    headers: asAgent,
    ...forbidden,
    says: 'for an agent, not for dialing',
  },
  {
    name: 'a node that is not granted',
    path: `/v1/dial?node=other&session=${session}`,
    ...forbidden,
    says: 'does not grant the node "other"',
  },
  {
    name: 'a node under one that is granted',
    path: `/v1/dial?node=edge-1.evil&session=${session}`,
    ...forbidden,
    says: 'does not grant the node',
  },
  {
    name: 'a route that is not granted',
    path: `${agent}&routes=10.1.0.0/16`,
    headers: asAgent,
    ...forbidden,
    says: 'does not grant the route "10.1.0.0/16"',
  },
  {
    name: 'a wider route than is granted',
    path: `${agent}&routes=192.0.0.0/8`,
    headers: asAgent,
    ...forbidden,
    says: 'does not grant the route "192.0.0.0/8"',
  },
  {
    name: 'the default route without its grant',
    path: `${agent}&routes=default`,
    headers: asAgent,
    ...forbidden,
    says: 'does not grant the route "default"',
  },
  {
    name: 'one good route and one bad',
    path: `${agent}&routes=192.0.2.0/24,evil.example`,
    headers: asAgent,
    ...forbidden,
    says: 'evil.example',
  },
];

const handshakes: readonly UpgradeRow[] = [
  { name: 'POST', line: `POST ${dial} HTTP/1.1`, ...bad, says: 'an upgrade is a GET' },
  { name: 'HEAD', line: `HEAD ${dial} HTTP/1.1`, ...bad, says: 'an upgrade is a GET' },
  { name: 'CONNECT', line: 'CONNECT broker.example:443 HTTP/1.1', status: 0, code: '', says: '' },
  { name: 'a method that there is not', line: `GRAB ${dial} HTTP/1.1`, ...notHttp },
  { name: 'HTTP/0.9', line: `GET ${dial}`, ...bad, says: 'an upgrade is HTTP/1.1' },
  { name: 'HTTP/1.0', line: `GET ${dial} HTTP/1.0`, ...bad, says: 'an upgrade is HTTP/1.1' },
  { name: 'HTTP/3.0', line: `GET ${dial} HTTP/3.0`, ...notHttp },
  { name: 'a control character in the path', line: 'GET /v1/dial?\u0001 HTTP/1.1', ...notHttp },
  { name: 'a space in the path', line: 'GET /v1/dial?node=a b HTTP/1.1', ...notHttp },
  { name: 'no host', headers: { host: undefined }, ...bad, says: 'one Host header' },
  { name: 'two hosts', more: [['Host', 'other.example']], ...bad, says: 'one Host header' },
  { name: 'a header without a colon', more: [['x\r\nbroken', '']], ...notHttp },
  { name: 'a header name with a space', more: [['x y', 'z']], ...notHttp },
  {
    name: 'a length and chunks at once',
    headers: { 'content-length': '4', 'transfer-encoding': 'chunked' },
    ...notHttp,
  },
  {
    name: 'two lengths',
    more: [
      ['Content-Length', '1'],
      ['Content-Length', '2'],
    ],
    ...notHttp,
  },
  {
    name: 'an absolute target of another scheme',
    line: 'GET file:///etc/passwd HTTP/1.1',
    ...absent,
    says: 'nothing at this path',
  },
  { name: 'an asterisk for a target', line: 'GET * HTTP/1.1', ...absent, says: 'nothing at this path' },
  {
    name: 'no Connection',
    headers: { connection: undefined },
    status: 426,
    code: 'ERR_PROTOCOL',
    says: 'opened as a WebSocket',
  },
  {
    name: 'no Upgrade',
    headers: { upgrade: undefined },
    status: 426,
    code: 'ERR_PROTOCOL',
    says: 'opened as a WebSocket',
  },
  {
    name: 'an upgrade to something else',
    headers: { upgrade: 'h2c' },
    ...bad,
    says: 'not a WebSocket handshake',
  },
  {
    name: 'an upgrade to a list',
    headers: { upgrade: 'websocket, h2c' },
    ...bad,
    says: 'not a WebSocket handshake',
  },
  { name: 'no key', headers: { 'sec-websocket-key': undefined }, ...bad, says: 'not a WebSocket handshake' },
  {
    name: 'a key too short',
    headers: { 'sec-websocket-key': 'c2hvcnQ=' },
    ...bad,
    says: 'not a WebSocket handshake',
  },
  {
    name: 'two keys',
    more: [['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==']],
    ...bad,
    says: 'not a WebSocket handshake',
  },
  {
    name: 'no version',
    headers: { 'sec-websocket-version': undefined },
    ...bad,
    says: 'not a WebSocket handshake',
  },
  {
    name: 'version 12',
    headers: { 'sec-websocket-version': '12' },
    ...bad,
    says: 'not a WebSocket handshake',
  },
  {
    name: 'version 14',
    headers: { 'sec-websocket-version': '14' },
    ...bad,
    says: 'not a WebSocket handshake',
  },
  {
    name: 'no subprotocol',
    headers: { 'sec-websocket-protocol': undefined },
    ...bad,
    says: 'offer the subprotocol',
  },
  {
    name: 'another subprotocol',
    headers: { 'sec-websocket-protocol': 'chat' },
    ...bad,
    says: 'offer the subprotocol',
  },
  {
    name: 'a later subprotocol',
    headers: { 'sec-websocket-protocol': 'fairlead.v2' },
    ...bad,
    says: 'offer the subprotocol',
  },
  {
    name: 'the subprotocol in capitals',
    headers: { 'sec-websocket-protocol': 'FAIRLEAD.V1' },
    ...bad,
    says: 'offer the subprotocol',
  },
  {
    name: 'the subprotocol twice',
    headers: { 'sec-websocket-protocol': 'fairlead.v1, fairlead.v1' },
    ...bad,
    says: 'not a WebSocket handshake',
  },
  {
    name: 'the subprotocol and a bad list',
    headers: { 'sec-websocket-protocol': 'fairlead.v1,,' },
    ...bad,
    says: 'not a WebSocket handshake',
  },
  {
    name: 'a browser of another site',
    headers: { origin: 'https://evil.example' },
    ...forbidden,
    says: 'Origin',
  },
  { name: 'a browser without a site', headers: { origin: 'null' }, ...forbidden, says: 'Origin' },
  {
    name: 'a browser of this very site',
    headers: { origin: 'http://127.0.0.1' },
    ...forbidden,
    says: 'Origin',
  },
  {
    name: 'a browser and no token',
    headers: { origin: 'https://evil.example', authorization: undefined },
    ...forbidden,
    says: 'Origin',
  },
];

export const upgradeRows = [...tokens, ...queryRows, ...handshakes];
