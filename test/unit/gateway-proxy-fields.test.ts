// What crosses the gateway in header fields, and what does not.

import type { IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import {
  type Fields,
  framingOf,
  requestFields,
  responseFields,
  trailerFields,
  valuesOf,
} from '../../src/gateway/proxy/fields.ts';
import { parseProxyPath } from '../../src/gateway/proxy/proxy-path.ts';
import { cookieThroughProxy, locationThroughProxy } from '../../src/gateway/proxy/rewriting.ts';

const path = parseProxyPath('/proxy/nodes/https:edge-1:10250/metrics');

function message(rawHeaders: string[], more: Partial<IncomingMessage> = {}): IncomingMessage {
  return { method: 'GET', httpVersion: '1.1', rawHeaders, ...more } as IncomingMessage;
}

function asked(rawHeaders: string[], more: Partial<Parameters<typeof requestFields>[1]> = {}): Fields {
  return requestFields(message(rawHeaders), {
    path,
    framing: { kind: 'none' },
    upgrade: undefined,
    proto: 'http',
    authorizationIsOurs: false,
    token: undefined,
    ...more,
  });
}

test("a target is asked in its own name, with the client's fields in their order and spelling", () => {
  expect(asked(['Host', 'localhost:8001', 'X-b', '2', 'ACCEPT', '*/*', 'X-b', '3'])).toEqual([
    ...['Host', 'edge-1:10250', 'X-b', '2', 'ACCEPT', '*/*', 'X-b', '3', 'Via', '1.1 fairlead'],
    ...['X-Forwarded-Host', 'localhost:8001', 'X-Forwarded-Proto', 'http'],
    ...['X-Forwarded-Prefix', '/proxy/nodes/https:edge-1:10250', 'Connection', 'keep-alive'],
  ]);
});

test('what is for this hop only, or what Connection names, goes no further', () => {
  const fields = asked([
    ...[
      'Connection',
      'close, X-Secret',
      'connection',
      'Keep-Alive',
      'X-Secret',
      '1',
      'Keep-Alive',
      'timeout=5',
    ],
    ...['Proxy-Connection', 'x', 'Proxy-Authorization', 'Basic eA==', 'TE', 'gzip', 'Upgrade', 'h2c'],
    ...['HTTP2-Settings', 'x', 'Transfer-Encoding', 'chunked', 'Trailer', 'X-Sum', 'X-Kept', 'yes'],
  ]);
  const names = fields.filter((_field, index) => index % 2 === 0).map((name) => name.toLowerCase());
  expect(names.sort()).toEqual(
    ['host', 'trailer', 'x-kept', 'via', 'x-forwarded-proto', 'x-forwarded-prefix', 'connection'].sort(),
  );
});

test('naming Content-Length, Host or Via in Connection takes nothing off that the target needs', () => {
  const fields = asked(['Host', 'x', 'Content-Length', '5', 'Connection', 'content-length, host, via'], {
    framing: { kind: 'length', bytes: '5' },
  });
  expect(valuesOf(fields, 'content-length')).toEqual(['5']);
  expect(valuesOf(fields, 'host')).toEqual(['edge-1:10250']);
  expect(valuesOf(fields, 'via')).toEqual(['1.1 fairlead']);
});

test('what a client says of those before it is not believed', () => {
  const fields = asked([
    ...[
      'Host',
      'localhost',
      'X-Forwarded-For',
      '1.2.3.4',
      'Forwarded',
      'for=1.2.3.4',
      'X-Real-IP',
      '1.2.3.4',
    ],
    ...[
      'X-Forwarded-Host',
      'admin',
      'X-Forwarded-Proto',
      'https',
      'X-Forwarded-Prefix',
      '/',
      'Via',
      '1.0 one',
    ],
  ]);
  expect(fields.join('\n')).not.toContain('1.2.3.4');
  expect(valuesOf(fields, 'x-forwarded-host')).toEqual(['localhost']);
  expect(valuesOf(fields, 'x-forwarded-proto')).toEqual(['http']);
  expect(valuesOf(fields, 'x-forwarded-prefix')).toEqual(['/proxy/nodes/https:edge-1:10250']);
  expect(valuesOf(fields, 'via')).toEqual(['1.0 one, 1.1 fairlead']);
});

test("the gateway's token is for those who bring nothing of their own, and what was for the gateway stays there", () => {
  const own = ['Authorization', 'Bearer mine'];
  expect(valuesOf(asked([], { token: 'ours' }), 'authorization')).toEqual(['Bearer ours']);
  expect(valuesOf(asked(own, { token: 'ours' }), 'authorization')).toEqual(['Bearer mine']);
  expect(valuesOf(asked(own, { token: 'ours', authorizationIsOurs: true }), 'authorization')).toEqual([
    'Bearer ours',
  ]);
  expect(valuesOf(asked(own, { authorizationIsOurs: true }), 'authorization')).toEqual([]);
});

test('trailers are announced to a target only where the client takes them', () => {
  const fields = asked(['TE', 'trailers;q=1, trailers']);
  expect(valuesOf(fields, 'te')).toEqual(['trailers']);
  expect(valuesOf(fields, 'connection')).toEqual(['keep-alive, TE']);
  expect(valuesOf(asked(['TE', 'deflate']), 'te')).toEqual([]);
});

test('a method that may have a body says that it has none', () => {
  const facts = { path, framing: { kind: 'none' }, upgrade: undefined, proto: 'http' } as const;
  const rest = { authorizationIsOurs: false, token: undefined } as const;
  const fields = requestFields(message([], { method: 'POST' }), { ...facts, ...rest });
  expect(valuesOf(fields, 'content-length')).toEqual(['0']);
});

test.each<[string[], string, number]>([
  [['Content-Length', '5', 'Transfer-Encoding', 'chunked'], '1.1', 400],
  [['Transfer-Encoding', 'chunked'], '1.0', 400],
  [['Transfer-Encoding', 'gzip, chunked'], '1.1', 501],
  [['Transfer-Encoding', 'chunked', 'Transfer-Encoding', 'chunked'], '1.1', 501],
  [['Transfer-Encoding', 'xchunked'], '1.1', 501],
  [['Content-Length', '5', 'Content-Length', '5'], '1.1', 400],
  [['Content-Length', '+5'], '1.1', 400],
  [['Content-Length', '5, 5'], '1.1', 400],
])('%j of HTTP/%s has two readings or none: %i', (rawHeaders, httpVersion, status) => {
  expect(() => framingOf({ rawHeaders, httpVersion })).toThrow(expect.objectContaining({ status }));
});

function answered(
  rawHeaders: string[],
  more: Partial<Parameters<typeof responseFields>[1]> = {},
  statusCode = 200,
) {
  const facts = { path, framing: { kind: 'none' }, mayBeChunked: true, closes: false } as const;
  return responseFields(message(rawHeaders, { statusCode }), { ...facts, ...more });
}

test('an answer keeps its fields, and loses what was for one hop or for the whole origin', () => {
  expect(
    answered([
      ...['Date', 'now', 'Server', 'x', 'Connection', 'X-Hop', 'X-Hop', '1', 'Keep-Alive', 'timeout=1'],
      ...['Alt-Svc', 'h3=":443"', 'Strict-Transport-Security', 'max-age=1', 'Proxy-Authenticate', 'Basic'],
      ...['Upgrade', 'h2c', 'Trailer', 'X-Sum', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'],
    ]),
  ).toEqual(['Date', 'now', 'Server', 'x', 'Set-Cookie', 'a=1', 'Set-Cookie', 'b=2']);
});

test('an answer is framed as it came where its reader understands it', () => {
  const chunked = { framing: { kind: 'chunked' } } as const;
  expect(answered(['Trailer', 'X-Sum'], chunked)).toEqual([
    'Trailer',
    'X-Sum',
    'Transfer-Encoding',
    'chunked',
  ]);
  expect(answered(['Trailer', 'X-Sum'], { ...chunked, mayBeChunked: false })).toEqual([]);
  expect(answered([], { framing: { kind: 'length', bytes: '7' } })).toEqual(['Content-Length', '7']);
  expect(answered([], { framing: { kind: 'length', bytes: '7' } }, 204)).toEqual([]);
  expect(answered([], { closes: true })).toEqual(['Connection', 'close']);
  expect(answered(['Upgrade', 'websocket'], { closes: true }, 426)).toEqual([
    ...['Upgrade', 'websocket', 'Connection', 'close, Upgrade'],
  ]);
});

test('trailers cannot frame, route or authorise', () => {
  expect(
    trailerFields([
      'X-Sum',
      '1',
      'Content-Length',
      '9',
      'Host',
      'x',
      'Authorization',
      'x',
      'Transfer-Encoding',
      'x',
    ]),
  ).toEqual([['X-Sum', '1']]);
});

test.each([
  ['/login?next=/', '/proxy/nodes/https:edge-1:10250/login?next=/'],
  ['https://edge-1:10250/a', '/proxy/nodes/https:edge-1:10250/a'],
  ['HTTPS://EDGE-1:10250', '/proxy/nodes/https:edge-1:10250/'],
  ['//edge-1:10250/a', '/proxy/nodes/https:edge-1:10250/a'],
  ['https://edge-1:10250?a', '/proxy/nodes/https:edge-1:10250/?a'],
  ['next', 'next'],
  ['../up', '../up'],
  ['?page=2', '?page=2'],
  ['http://edge-1:10250/a', 'http://edge-1:10250/a'],
  ['https://edge-1/a', 'https://edge-1/a'],
  ['https://elsewhere.example/a', 'https://elsewhere.example/a'],
  ['//elsewhere.example/a', '//elsewhere.example/a'],
])('a Location of %s leads to %s', (location, through) => {
  expect(locationThroughProxy(location, path)).toBe(through);
});

test('a Location of the target leads back whatever its default port', () => {
  const plain = parseProxyPath('/proxy/hosts/[fd00::7]:80/');
  expect(locationThroughProxy('http://[fd00::7]/a', plain)).toBe('/proxy/hosts/[fd00::7]:80/a');
  expect(locationThroughProxy('http://[fd00::7]:80/a', plain)).toBe('/proxy/hosts/[fd00::7]:80/a');
  expect(locationThroughProxy('http://[fd00::7]:81/a', plain)).toBe('http://[fd00::7]:81/a');
});

test.each([
  ['id=1; Path=/; HttpOnly', 'id=1; Path=/proxy/nodes/https:edge-1:10250/; HttpOnly'],
  ['id=1; path = /app ;Secure', 'id=1; path=/proxy/nodes/https:edge-1:10250/app;Secure'],
  ['id=1; Domain=edge-1; SameSite=Lax', 'id=1; SameSite=Lax'],
  ['id=a=b; Path=relative', 'id=a=b'],
  ['id=1', 'id=1'],
])('a cookie %s stays with its target: %s', (cookie, through) => {
  expect(cookieThroughProxy(cookie, path)).toBe(through);
});
