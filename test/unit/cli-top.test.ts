// What `top` makes of what a broker tells: rates, order, filter, and lines that fit, whoever has chosen the names.

import stringWidth from 'string-width';
import { expect, test } from 'vitest';
import { formatBytes } from '../../src/cli/bytes.ts';
import { takeSample } from '../../src/cli/top/sample.ts';
import { firstView, pressed, rowsOf, screenOf, type View } from '../../src/cli/top/view.ts';
import type { InstanceStatus, Status } from '../../src/client/index.ts';

const atMs = Date.parse('2026-11-25T12:00:00Z');
const size = { columns: 120, rows: 12 };
const page = { pageRows: 6, rowCount: 20 };

function agent(instance: string, more: Partial<InstanceStatus> = {}): InstanceStatus {
  const since = '2026-11-25T11:59:00Z';
  return { instance, version: '1', state: 'ready', since, labels: {}, routes: [], sessions: 0, ...more };
}

function status(nodes: Record<string, InstanceStatus>, agentBytes = 0): Status {
  const received = { agentBytes, dialBytes: 0, agentMessages: 0, dialMessages: 0 };
  const links = { agent: 1, dial: 0 };
  return {
    broker: {
      version: '1',
      engine: 'memory',
      startedAt: 'then',
      draining: false,
      links,
      sessions: 0,
      received,
    },
    nodes: Object.entries(nodes).map(([node, instance]) => ({ node, instances: [instance] })),
  };
}

function names(view: View, nodes: Record<string, InstanceStatus>): string[] {
  return rowsOf(takeSample(status(nodes), atMs, undefined), view).map(({ node }) => node);
}

function press(view: View, ...sequences: string[]): View {
  return sequences.reduce<View>((before, sequence) => {
    const after = pressed(before, { sequence, name: sequence === '\r' ? 'return' : sequence }, page);
    if (typeof after === 'string') throw new Error(after);
    return after;
  }, view);
}

test('a rate is of one link: one that was opened again begins anew', () => {
  const first = takeSample(
    status({ a: agent('1', { receivedBytes: 1000, sentBytes: 0 }) }, 500),
    atMs,
    undefined,
  );
  expect(first.rows[0]?.inBytesPerSecond).toBeUndefined();
  const second = takeSample(
    status({ a: agent('1', { receivedBytes: 5000, sentBytes: 10 }) }, 2500),
    atMs + 2000,
    first,
  );
  expect(second.rows[0]).toMatchObject({ inBytesPerSecond: 2000, outBytesPerSecond: 5 });
  expect(second.fromAgentsPerSecond).toBe(1000);
  const since = '2026-11-25T12:00:03Z';
  const third = takeSample(
    status({ a: agent('1', { since, receivedBytes: 9000 }) }, 100),
    atMs + 4000,
    second,
  );
  expect(third.rows[0]?.inBytesPerSecond).toBeUndefined();
  // The broker counts less than before: it is not the one that it was.
  expect(third.fromAgentsPerSecond).toBeUndefined();
});

test('rows are sorted by the column of a key, and what is not known comes last', () => {
  const nodes = {
    b: agent('1', { rttMs: 5 }),
    a: agent('1', { rttMs: 50 }),
    c: agent('1'),
  };
  expect(names(firstView, nodes)).toEqual(['a', 'b', 'c']);
  expect(names(press(firstView, 'p'), nodes)).toEqual(['a', 'b', 'c']);
  expect(names(press(firstView, 'p', 'r'), nodes)).toEqual(['b', 'a', 'c']);
  expect(names(press(firstView, 'n', 'r'), nodes)).toEqual(['c', 'b', 'a']);
});

test('a filter is typed, kept or given up, and q is a letter while it is', () => {
  const nodes = { 'edge-q': agent('1'), 'edge-2': agent('1') };
  const kept = press(firstView, '/', 'Q', '\r');
  expect(names(kept, nodes)).toEqual(['edge-q']);
  const typing = press(kept, '/', 'x');
  expect(names(typing, nodes)).toEqual([]);
  const given = pressed(typing, { name: 'escape', sequence: '\u001b' }, page);
  expect(given).toMatchObject({ filter: 'Q' });
  expect(pressed(kept, { sequence: 'q', name: 'q' }, page)).toBe('quit');
  expect(pressed(typing, { ctrl: true, name: 'c', sequence: '\u0003' }, page)).toBe('quit');
});

test('one cannot scroll beyond the last page', () => {
  const down = pressed({ ...firstView, offset: 13 }, { name: 'pagedown' }, page) as View;
  expect(down.offset).toBe(14);
  expect((pressed(down, { name: 'up' }, page) as View).offset).toBe(13);
  expect((pressed(firstView, { name: 'up' }, page) as View).offset).toBe(0);
});

test('every line fits the terminal and moves nothing, whatever the names are', () => {
  const nodes = Object.fromEntries(
    ['\u001b[2J', '東京'.repeat(60), 'a\nb', '\u202egnp', 'x'.repeat(253), '👩‍💻'.repeat(30)].map((name) => [
      name,
      agent(name.slice(0, 64), {
        lastError: { code: '\u001b]0;', reason: `${name}\u0007`, at: '2026-11-25T11:59:30Z' },
      }),
    ]),
  );
  for (const columns of [120, 40, 10]) {
    const sample = takeSample(status(nodes), atMs, undefined);
    const lines = screenOf(sample, firstView, { ...size, columns }, 'ws://broker', undefined);
    expect(lines).toHaveLength(size.rows);
    for (const line of lines) {
      expect(stringWidth(line)).toBeLessThanOrEqual(columns);
      expect(line).not.toMatch(/[\p{Cc}\u202e]/u);
    }
  }
});

test('bytes have three digits and a unit', () => {
  expect([0, 999, 1000, 1023.7, 1536, 10_240, 123_456_789, 1024 ** 4].map(formatBytes)).toEqual([
    ...['0 B', '999 B', '0.98 KiB', '1.00 KiB', '1.50 KiB', '10.0 KiB', '118 MiB', '1.00 TiB'],
  ]);
});
