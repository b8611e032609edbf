// Addresses as people write them.

import { resolve } from 'node:path';
import { expect, test } from 'vitest';
import { formatAddress, parseForward, parseListen, parseTarget } from '../../src/cli/address.ts';
import { parseDuration, parseSeconds } from '../../src/cli/duration.ts';

test.each([
  ['127.0.0.1:22', { host: '127.0.0.1', port: 22 }],
  ['db.internal:5432', { host: 'db.internal', port: 5432 }],
  ['[fd00::7]:443', { host: 'fd00::7', port: 443 }],
])('%s is a target', (written, parsed) => {
  expect(parseTarget(written)).toEqual(parsed);
});

test.each([
  '22',
  'a:b',
  'a:',
  ':22',
  'a:0',
  '::1:22',
  '[::1]',
  '[nope]:22',
  '1.2.3:4',
  '256.0.0.1:4',
  'a b:1',
  'a:22:',
])('%s is no target', (written) => {
  expect(() => parseTarget(written)).toThrow();
});

test.each([
  ['0', { host: '127.0.0.1', port: 0 }],
  ['0.0.0.0:8080', { host: '0.0.0.0', port: 8080 }],
  ['[::1]:0', { host: '::1', port: 0 }],
])('%s can be listened on', (written, parsed) => {
  expect(parseListen(written)).toEqual(parsed);
});

test('a forward is a local address, a node and a target', () => {
  const target = { host: '10.0.0.5', port: 443 };
  expect(parseForward('8443:edge-1:10.0.0.5:443')).toEqual({
    bind: { host: '127.0.0.1', port: 8443 },
    node: 'edge-1',
    target,
  });
  expect(parseForward('[::1]:0:edge-1:[fd00::7]:443')).toEqual({
    bind: { host: '::1', port: 0 },
    node: 'edge-1',
    target: { host: 'fd00::7', port: 443 },
  });
  expect(parseForward('unix:/run/web.sock:edge-1:10.0.0.5:443')).toEqual({
    bind: { path: '/run/web.sock' },
    node: 'edge-1',
    target,
  });
  expect(parseForward('unix:here.sock:edge-1:unix:/run/there.sock')).toEqual({
    bind: { path: resolve('here.sock') },
    node: 'edge-1',
    target: { host: 'unix:/run/there.sock', port: 1 },
  });
  expect(() => parseForward('8443:EDGE:10.0.0.5:443')).toThrow();
  expect(() => parseForward('8443:edge-1:10.0.0.5')).toThrow();
});

test('an IPv6 address gets its brackets back', () => {
  expect(formatAddress('::1', 80)).toBe('[::1]:80');
  expect(formatAddress('127.0.0.1', 80)).toBe('127.0.0.1:80');
});

test('durations have units and seconds have none', () => {
  expect(['90s', '15m', '24h', '30d'].map(parseDuration)).toEqual([90, 900, 86_400, 2_592_000]);
  for (const wrong of ['24', '0s', '1.5h', '-1h', 'h']) expect(() => parseDuration(wrong)).toThrow();
  expect(parseSeconds('0')).toBe(0);
  expect(() => parseSeconds('30s')).toThrow();
});
