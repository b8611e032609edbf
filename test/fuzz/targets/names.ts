// Patterns, routes, CIDRs and rules for targets, against plain definitions of what they mean.

import { AllowList } from '../../../src/agent/allow.ts';
import { OwnerRules } from '../../../src/agent/owner-rules.ts';
import { grantsRoute, normalRoute, prefixBits, servesHost } from '../../../src/broker/identity-routes.ts';
import { normalHost, resolveHost } from '../../../src/broker/resolve.ts';
import { matchesPattern } from '../../../src/protocol/pattern.ts';
import { promise, refusing } from '../target.ts';

export function fuzz(data: Buffer): void {
  const [first = '', second = '', third = ''] = data.toString('utf8').slice(0, 600).split('\0');
  patterns(first, second);
  routes(first, second);
  rules(first, second, third);
}

function patterns(pattern: string, text: string): void {
  for (const separator of ['.', ':']) {
    const segment = separator === '.' ? '[^.]*' : '[^:]*';
    const meaning = pattern
      .split('*')
      .map((piece) => piece.replace(/[.+?^${}()|[\]\\]/g, '\\$&'))
      .join(segment);
    // Few stars only: the plain definition takes exponential time, which is why it is not the one in use.
    if (pattern.split('*').length > 5 || pattern === '*') continue;
    const expected = new RegExp(`^${meaning}$`, 's').test(text);
    promise(matchesPattern(pattern, text, separator) === expected, 'a star stays in its segment');
  }
  promise(matchesPattern('*', text, '.'), 'a star alone fits everything');
}

function routes(first: string, second: string): void {
  const [route, other] = [normalRoute(first), normalRoute(second)];
  if (route === undefined) return;
  promise(normalRoute(route) === route, 'a route has one form');
  promise(grantsRoute([route], route), 'a route grants itself');
  promise(servesHost(route, route) || route.includes('/'), 'a route serves itself');
  if (other === undefined) return;
  if (grantsRoute([route], other) && grantsRoute([other], route))
    promise(route === other, 'two routes that grant each other are one');
  const host = normalHost(second);
  if (host !== undefined && prefixBits(route, host) !== undefined)
    promise(grantsRoute([route], host), 'a prefix that holds an address grants it');
  if (host === undefined) return;
  const instance = { instance: 'i', version: null, since: '', draining: false, sessions: 0, routes: [route] };
  resolveHost(host, [{ node: 'edge-1', instances: [instance] }] as never);
}

function rules(first: string, second: string, third: string): void {
  refusing(() => new OwnerRules([first, second]).forDialer(third, second), 'ERR_CONFIG');
  const list = refusing(() => new AllowList([first]), 'ERR_CONFIG');
  if (list === undefined) return;
  list.mayAllow(second, 22);
  for (const port of [1, 22, 65_535]) {
    if (list.allowsAddress(second, third, port))
      promise(list.mayAllow(second, port), 'what is allowed may be looked up');
    const isNamed = /169\.254|a9fe|fe[89ab]|fd00|::/i.test(first);
    promise(
      isNamed || !list.allowsAddress(second, '169.254.169.254', port),
      'metadata is refused unless named',
    );
  }
}
