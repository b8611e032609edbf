import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LinkKeeper } from '../../src/link/keeper.ts';
import { FairleadError } from '../../src/protocol/errors.ts';
import { fakeLinks, patientListener } from '../rig/fake-links.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

/** When a broker that refuses every connection is asked again, and how long after the last time, in ms. */
async function askedWhileAway(forMs: number): Promise<{ readonly at: number; readonly gap: number }[]> {
  const asked: number[] = [];
  const links = fakeLinks((handler) => {
    asked.push(performance.now());
    queueMicrotask(() => handler.closed(new FairleadError('ERR_BROKER_UNREACHABLE', 'refused')));
  });
  const keeper = new LinkKeeper(links, '/v1/agent', () => ({}), patientListener);
  keeper.start();
  await vi.advanceTimersByTimeAsync(forMs);
  keeper.close();
  const [first = 0] = asked;
  return asked.slice(1).map((at, i) => ({ at: at - first, gap: at - (asked[i] ?? 0) }));
}

test('a broker that restarts within half a minute is asked at least every second, and never in step', async () => {
  const gaps = await askedWhileAway(29_000);
  expect(gaps.length).toBeGreaterThan(29);
  for (const { gap } of gaps) expect(gap).toBeLessThanOrEqual(1001);
  expect(new Set(gaps.map(({ gap }) => gap)).size).toBeGreaterThan(10);
});

test('one that stays away is asked ever more seldom, up to fifteen seconds', async () => {
  const gaps = (await askedWhileAway(3_600_000)).filter(({ at }) => at > 60_000);
  const mean = gaps.reduce((sum, { gap }) => sum + gap, 0) / gaps.length;
  expect(mean).toBeGreaterThan(5000);
  for (const { gap } of gaps) expect(gap).toBeLessThanOrEqual(15_001);
});
