// What the status page makes of what it is told, without a browser.

import { expect, test } from 'vitest';
import { bytes, duration, milliseconds, plain } from '../../src/page/format.ts';
import { matching, sortRows } from '../../src/page/order.ts';
import { historyLength, Rows } from '../../src/page/rows.ts';
import { sparkline } from '../../src/page/sparkline.ts';
import type { InstanceStatus, NodeStatus } from '../../src/protocol/status.ts';

function node(name: string, more: Partial<InstanceStatus> = {}): NodeStatus {
  const instance = { instance: 'one', version: null, state: 'ready' as const, since: '2026-01-01T00:00:00Z' };
  return { node: name, instances: [{ ...instance, labels: {}, routes: [], sessions: 0, ...more }] };
}

function told(...updates: (readonly [nodes: NodeStatus[], atMs: number])[]): Rows {
  const rows = new Rows();
  for (const [nodes, atMs] of updates) rows.update(nodes, true, atMs);
  return rows;
}

const only = (rows: Rows) => [...rows.all][0];

test('throughput is what both counts grew by, over the time between two answers', () => {
  const rows = told(
    [[node('a', { receivedBytes: 1000, sentBytes: 500 })], 0],
    [[node('a', { receivedBytes: 3000, sentBytes: 1500 })], 2000],
  );
  expect(only(rows)?.rate).toBe(1500);
  expect(only(rows)?.history.at(-1)).toBe(1500);
  expect(only(rows)?.history).toHaveLength(historyLength);
});

test('a newer link counts from nothing, and what nobody counts has no throughput', () => {
  const again = told(
    [[node('a', { receivedBytes: 9000, sentBytes: 0 })], 0],
    [[node('a', { receivedBytes: 300, sentBytes: 100, since: '2026-01-02T00:00:00Z' })], 1000],
  );
  expect(only(again)?.rate).toBe(400);
  expect(only(told([[node('a')], 0], [[node('a')], 1000]))?.rate).toBeUndefined();
});

test('who is gone stays in sight, unless another instance serves the node or not everybody answered', () => {
  const rows = told([[node('a'), node('b'), node('c')], 0]);
  rows.update([node('b', { instance: 'two' }), node('c')], true, 1000);
  expect([...rows.all].map(({ key, goneAt }) => [key, goneAt !== undefined])).toEqual([
    ['a one', true],
    ['c one', false],
    ['b two', false],
  ]);
  expect(matching(rows.all, 'gone')).toHaveLength(1);
  rows.update([], false, 2000);
  expect([...rows.all].filter(({ goneAt }) => goneAt !== undefined)).toHaveLength(1);
  rows.update([node('a'), node('b', { instance: 'two' }), node('c')], true, 3000);
  expect(matching(rows.all, 'gone')).toHaveLength(0);
});

test('of a fleet that goes all at once as many stay in sight as one page takes', () => {
  const rows = told([Array.from({ length: 3000 }, (_, i) => node(`n${i}`)), 0], [[], 1000]);
  expect([...rows.all]).toHaveLength(1000);
});

test('names are sorted as people count, and what is not known comes last either way', () => {
  const rows = told([[node('edge-10', { rttMs: 5 }), node('edge-9'), node('edge-1', { rttMs: 9 })], 0]);
  const names = (column: 'node' | 'rtt', isDown: boolean) => {
    const list = [...rows.all];
    sortRows(list, { column, isDown });
    return list.map((row) => row.node);
  };
  expect(names('node', false)).toEqual(['edge-1', 'edge-9', 'edge-10']);
  expect(names('rtt', false)).toEqual(['edge-10', 'edge-1', 'edge-9']);
  expect(names('rtt', true)).toEqual(['edge-1', 'edge-10', 'edge-9']);
});

test.each([
  [bytes(0), '0 B'],
  [bytes(999), '999 B'],
  [bytes(999.7), '1.0 kB'],
  [bytes(1234), '1.2 kB'],
  [bytes(99_960), '100 kB'],
  [bytes(12_345_678), '12.3 MB'],
  [milliseconds(0.26), '0.3 ms'],
  [milliseconds(9.96), '10 ms'],
  [milliseconds(65_000), '65 s'],
  [duration(-5), '0 s'],
  [duration(59_999), '59 s'],
  [duration(3_600_000), '1 h'],
  [duration(90_000_000), '1 d'],
  [plain('a\u202Eb\u0000'), 'a⟨U+202E⟩b⟨U+0000⟩'],
])('%s is written %s', (written, expected) => {
  expect(written).toBe(expected);
});

test('a line of nothing but keep-alive is flat, and none leaves its box', () => {
  const { line } = sparkline(new Float32Array([0, 20, 40, 0]), 90, 22);
  expect(line).toBe('M0.0 21.0L30.0 20.8L60.0 20.6L90.0 21.0');
  const heights = [...sparkline(new Float32Array([1e9, 0, 5e8]), 90, 22).line.matchAll(/ ([\d.]+)/g)];
  expect(heights.map(([, y]) => Number(y))).toEqual([1, 21, 11]);
});
