// How often the status is made, whoever asks and however often, on a clock that the test moves.

import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { StatusSnapshots } from '../../src/broker/status-snapshots.ts';
import type { Status } from '../../src/protocol/status.ts';

function status(version: string): Status {
  const links = { agent: 0, dial: 0 };
  return { broker: { version, engine: 'memory', draining: false, links, sessions: 0 }, nodes: [] };
}

function counted() {
  const made: (readonly string[] | undefined)[] = [];
  const clock = { nowMs: 0 };
  const snapshots = new StatusSnapshots(
    async (patterns) => {
      made.push(patterns);
      return status(String(made.length));
    },
    () => clock.nowMs,
  );
  return { made, clock, snapshots };
}

test('however many ask at once, it is made once for each set of grants', async () => {
  const { made, snapshots } = counted();
  const all = await Promise.all([1, 2, 3].map(() => snapshots.of(undefined)));
  await Promise.all([snapshots.of(['edge-*']), snapshots.of(['edge-*']), snapshots.of([])]);
  expect(made).toEqual([undefined, ['edge-*'], []]);
  expect(new Set(all).size).toBe(1);
});

test('who is granted nothing, or has a pattern named like all, is not given what all would see', async () => {
  const { made, snapshots } = counted();
  for (const patterns of [undefined, [], ['null'], ['']]) await snapshots.of(patterns);
  expect(made).toHaveLength(4);
});

test('a quarter of a second later it is made anew', async () => {
  const { clock, snapshots } = counted();
  const version = async () => (JSON.parse((await snapshots.of(undefined)).json) as Status).broker.version;
  expect(await version()).toBe('1');
  clock.nowMs = 249;
  expect(await version()).toBe('1');
  clock.nowMs = 250;
  expect(await version()).toBe('2');
});

test('as many tokens as there are keep no more than so much', async () => {
  const { made, snapshots } = counted();
  for (let i = 0; i < 1000; i++) await snapshots.of([`node-${i}`]);
  expect(made).toHaveLength(1000);
  // The last are kept, the first are not.
  await snapshots.of(['node-999']);
  expect(made).toHaveLength(1000);
  await snapshots.of(['node-900']);
  expect(made).toHaveLength(1001);
});

test('what failed is tried again', async () => {
  let attempts = 0;
  const snapshots = new StatusSnapshots(async () => {
    attempts++;
    if (attempts === 1) throw new Error('not now');
    return status('2');
  });
  await expect(snapshots.of(undefined)).rejects.toThrow('not now');
  expect((await snapshots.of(undefined)).json).toContain('"2"');
});

test('it is compressed once, and is the same', async () => {
  const { snapshots } = counted();
  const snapshot = await snapshots.of(undefined);
  const [first, second] = [await snapshot.gzip(), await snapshot.gzip()];
  expect(first).toBe(second);
  expect(gunzipSync(first).toString()).toBe(snapshot.json);
});
