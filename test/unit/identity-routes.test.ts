// Routes in one form each, so that what a token grants and what an agent claims can be compared.

import { expect, test } from 'vitest';
import { identityOf } from '../../src/broker/identity.ts';
import { grantsRoute, routeSchema } from '../../src/broker/identity-routes.ts';

test.each([
  ['default', 'default'],
  ['DB.Internal.', 'db.internal'],
  ['10.0.0.7', '10.0.0.7'],
  ['10.0.0.7/32', '10.0.0.7'],
  ['10.1.2.3/8', '10.0.0.0/8'],
  ['0.0.0.0/0', '0.0.0.0/0'],
  ['2001:0DB8:0::1', '2001:db8::1'],
  ['fd12:3456::1/8', 'fd00::/8'],
  ['::ffff:10.0.0.7', '10.0.0.7'],
  ['::ffff:10.0.0.7/104', '10.0.0.0/8'],
])('the route %s is written %s', (text, route) => {
  expect(routeSchema.parse(text)).toBe(route);
  expect(routeSchema.parse(route)).toBe(route);
});

test.each([
  '',
  '*',
  '*.internal',
  'a b',
  'a..b',
  '-a',
  '127.1',
  '0177.0.0.1',
  '10.0.0',
  '10.0.0.0/33',
  '10.0.0.0/',
  '10.0.0.0/8/8',
  '10.0.0.0/-1',
  '::/129',
  'fe80::1%eth0',
  'host:22',
  '[::1]',
  'http://a',
  `${'a'.repeat(64)}.b`,
  'x'.repeat(254),
])('"%s" is no route', (text) => {
  expect(routeSchema.safeParse(text).success).toBe(false);
});

test.each([
  [['10.0.0.0/8'], '10.1.0.0/16', true],
  [['10.0.0.0/8'], '10.1.2.3', true],
  [['10.0.0.0/8'], '10.0.0.0/8', true],
  [['10.0.0.0/8'], '10.0.0.0/7', false],
  [['10.0.0.0/8'], '11.0.0.1', false],
  [['10.0.0.7'], '10.0.0.7', true],
  [['0.0.0.0/0'], '10.0.0.7', true],
  [['0.0.0.0/0'], '::1', false],
  [['0.0.0.0/0'], 'default', false],
  [['0.0.0.0/0'], 'db.internal', false],
  [['fd00::/8'], 'fd12::/16', true],
  [['fd00::/8'], '2001:db8::1', false],
  [['default'], '10.0.0.7', false],
  [['db.internal'], 'db.internal', true],
  [['db.internal'], 'a.db.internal', false],
  [[], 'default', false],
])('routes %j grant %s: %s', (granted, route, expected) => {
  expect(grantsRoute(granted, route)).toBe(expected);
});

const claims = { sub: 'agent:edge-1', exp: 1 };

test('an agent token without routes lets it claim none', () => {
  expect(identityOf(claims, '', { agent: 'edge-1' })).toMatchObject({ routes: [] });
  expect(identityOf(claims, '', { agent: 'edge-1', routes: ['10.9.9.9/8'] })).toMatchObject({
    routes: ['10.0.0.0/8'],
  });
});

test.each([
  [{ agent: 'edge-1', routes: 'default' }],
  [{ agent: 'edge-1', routes: ['a b'] }],
  [{ agent: 'edge-1', routes: Array(257).fill('default') }],
  [{ agent: 'edge-1', routes: [7] }],
  [{ dial: ['*'], routes: ['default'], agent: 'edge-1' }],
])('the grant %j is refused', (grant) => {
  expect(() => identityOf(claims, '', grant)).toThrowError(
    expect.objectContaining({ code: 'ERR_UNAUTHORIZED' }),
  );
});
