import { expect, test } from 'vitest';
import { simulate } from './main.ts';

// Seeds that found a bug once: they stay.
// 100291: a link that was cut before its upgrade was done took a live agent's place.
const seedsToKeep = [100_291];

test('2,000 worlds of faults: every byte of every stream is exact', { timeout: 300_000 }, () => {
  const { counts, failure } = simulate(1, 2000);
  expect(failure).toBeUndefined();
  // The faults happened, and happened to streams that were under way.
  expect(counts.brokerRestarts).toBeGreaterThan(1000);
  expect(counts.agentCuts).toBeGreaterThan(1000);
  expect(counts.dialerCuts).toBeGreaterThan(1000);
  expect(counts.agentMoves).toBeGreaterThan(1000);
  expect(counts.lost).toBeGreaterThan(10_000);
  expect(counts.repeated).toBeGreaterThan(10_000);
  expect(counts.lostInCut).toBeGreaterThan(10_000);
  expect(counts.unreachable).toBeGreaterThan(5000);
  expect(counts.stalls).toBeGreaterThan(1000);
  expect(counts.resyncs).toBeGreaterThan(5000);
  expect(counts.resentBytes).toBeGreaterThan(100_000_000);
  expect(counts.gaps).toBeGreaterThan(1000);
  expect(counts.resets).toBeGreaterThan(500);
  expect(counts.refused).toBeGreaterThan(500);
  expect(counts.clean).toBeGreaterThan(5000);
});

test('seeds that once failed', () => {
  for (const seed of seedsToKeep) expect(simulate(seed, 1).failure).toBeUndefined();
});

test('a world runs the same way twice', () => {
  for (const seed of [11, 12, 13]) expect(simulate(seed, 1)).toEqual(simulate(seed, 1));
});
