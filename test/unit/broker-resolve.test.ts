import { expect, test } from 'vitest';
import type { NodeSummary } from '../../src/broker/directory.ts';
import { normalHost, resolveHost } from '../../src/broker/resolve.ts';

function node(name: string, routes: string[], sessions = 0, draining = false): NodeSummary {
  const instance = { instance: 'one', version: null, since: '', draining, labels: {}, routes, sessions };
  return { node: name, instances: [instance] };
}

const nodes = [
  node('edge-1', ['10.0.0.0/8', 'db.internal']),
  node('edge-2', ['10.1.0.0/16', '2001:db8::/32']),
  node('edge-3', ['10.1.2.3']),
  node('edge-4', ['default']),
  node('edge-5', ['edge-1']),
];

test.each([
  ["a node's own name comes before another node's claim to it", 'edge-1', ['edge-1']],
  ['a name that a route has', 'db.internal', ['edge-1']],
  ['a name in capitals, with the dot of the root', 'DB.Internal.', ['edge-1']],
  ['an exact address comes before prefixes', '10.1.2.3', ['edge-3']],
  ['an IPv4 address in the clothes of IPv6', '::ffff:10.1.2.3', ['edge-3']],
  ['the longest prefix', '10.1.9.9', ['edge-2']],
  ['a shorter one where no longer one fits', '10.9.9.9', ['edge-1']],
  ['IPv6, in brackets and in another spelling', '[2001:0DB8:0::1]', ['edge-2']],
  ['the default for everything else', 'example.com', ['edge-4']],
  ['the default for an address that no prefix has', '192.0.2.1', ['edge-4']],
])('%s', (_, host, expected) => {
  expect(resolveHost(normalHost(host) ?? '', nodes).map((candidate) => candidate.node)).toEqual(expected);
});

test('holders of one route are named with the fewest sessions first, and one that drains is not', () => {
  const holders = [
    node('a', ['10.0.0.0/8'], 5),
    node('b', ['10.0.0.0/8'], 2),
    node('c', ['10.0.0.0/8'], 0, true),
    node('d', ['10.0.0.0/8'], 2),
  ];
  expect(resolveHost('10.0.0.1', holders)).toEqual([
    { node: 'b', route: '10.0.0.0/8', sessions: 2 },
    { node: 'd', route: '10.0.0.0/8', sessions: 2 },
    { node: 'a', route: '10.0.0.0/8', sessions: 5 },
  ]);
});

test('at most sixteen holders are named', () => {
  const holders = Array.from({ length: 40 }, (_, i) => node(`n${i}`, ['default'], i));
  expect(resolveHost('example.com', holders).length).toBe(16);
});

test('nobody serves it', () => {
  expect(resolveHost('192.0.2.1', nodes.slice(0, 3))).toEqual([]);
});

test.each([
  '',
  '10.0.0.0/8',
  'default',
  '300.1.2.3',
  '1.2.3',
  'a b',
  'ü.example',
  'x'.repeat(254),
  'fe80::1%eth0',
])('%j is no host', (text) => {
  expect(normalHost(text)).toBe(undefined);
});
