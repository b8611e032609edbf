// A compromised broker without end-to-end encryption: it can reorder, repeat, hold back and drop what passes. Streams
// are exact all the same, or end in an error; and where it forges, sessions end in order and within their bounds.

import { expect, test } from 'vitest';
import { Random } from './clock.ts';
import { HostileRelay, type RelayCounts } from './hostile-relay.ts';

/** Steps by how often they begin one: opening, writing and delivering more often than the rest. */
const steps = [
  0, 1, 1, 1, 1, 1, 1, 2, 3, 4, 4, 4, 4, 4, 4, 5, 5, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13, 14, 15, 15, 16,
];

function scriptOf(seed: number): Uint8Array {
  const random = new Random(seed);
  const bytes: number[] = [];
  for (let n = random.int(40, 300); n > 0; n -= 1) {
    bytes.push(steps[random.int(0, steps.length - 1)] ?? 0);
    for (let more = random.int(1, 4); more > 0; more -= 1) bytes.push(random.int(0, 255));
  }
  return Uint8Array.from(bytes);
}

function run(seeds: number, mayForge: boolean): RelayCounts {
  const sum = new HostileRelay(mayForge).counts;
  for (let seed = 1; seed <= seeds; seed += 1) {
    const relay = new HostileRelay(mayForge);
    try {
      relay.run(scriptOf(seed));
    } catch (error) {
      throw new Error(`seed ${seed}`, { cause: error });
    }
    for (const name of Object.keys(sum) as (keyof RelayCounts)[]) sum[name] += relay.counts[name];
  }
  return sum;
}

test('a relay that reorders, repeats and drops: streams are exact or end in an error', () => {
  const counts = run(6000, false);

  expect(counts.forged).toBe(0);
  expect(counts.dropped).toBeGreaterThan(1000);
  expect(counts.repeated).toBeGreaterThan(1000);
  expect(counts.reordered).toBeGreaterThan(500);
  expect(counts.exact).toBeGreaterThan(1000);
});

test('a relay that forges messages, too: sessions stay within their bounds and never throw', () => {
  const counts = run(3000, true);
  expect(counts.forged).toBeGreaterThan(1000);
  expect(counts.failed).toBeGreaterThan(1000);
});
