import { expect, test } from 'vitest';
import { randomFrom } from '../rig/random.ts';
import { type Figures, Growth } from './growth.ts';

/** An hour of samples, each of so many timers, with noise of up to `noise` either way. */
function verdictOf(timersAt: (hours: number) => number, noise: number, hours = 1): string | undefined {
  const random = randomFrom(1);
  const growth = new Growth();
  const others = { 'resident, MiB': 0, 'heap, MiB': 0, 'buffers, MiB': 0, handles: 0, descriptors: 0 };
  for (let n = 1; n <= 180; n += 1) {
    const at = (n / 180) * hours;
    const figures: Figures = { ...others, timers: timersAt(at) + (random() * 2 - 1) * noise };
    growth.note('broker', at, figures);
  }
  return growth.trends().find(({ figure }) => figure === 'timers')?.verdict;
}

test('growth that the noise does not explain is a leak', () => {
  expect(verdictOf((hours) => 10 + 20 * hours, 5)).toBe('LEAKS');
});

test('noise is none, nor is growth below the bound, nor what was filled at the start', () => {
  expect(verdictOf(() => 10, 500)).toBe('flat');
  expect(verdictOf((hours) => 10 + 5 * hours, 0.1)).toBe('flat');
  expect(verdictOf((hours) => Math.min(hours * 400, 50), 1)).toBe('flat');
});

test('what a process that was killed leaves for a while is none, even at the end', () => {
  expect(verdictOf((hours) => (hours > 0.97 ? 40 : 10), 1)).toBe('flat');
});

test('a run that is over before everything is warm tells nothing', () => {
  expect(verdictOf((hours) => 1000 * hours, 0, 0.1)).toBe('too short');
});
