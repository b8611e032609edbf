// Whose turn it is to dial: no more in a second than the rate, in order, and nothing for what was taken back.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { DialPacer } from '../../src/agent/dial-pacer.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] }));
afterEach(() => void vi.useRealTimers());

function started(pacer: DialPacer, names: readonly string[], isWanted = true): string[] {
  const list: string[] = [];
  for (const name of names)
    pacer.run(() => {
      list.push(name);
      return isWanted;
    });
  return list;
}

const numbers = (count: number) => Array.from({ length: count }, (_, n) => String(n));

test("a tenth of a second's dials go at once, the others at the rate, in the order in which they came", () => {
  const pacer = new DialPacer(100);
  const list = started(pacer, numbers(30));
  expect(list).toEqual(numbers(10));
  vi.advanceTimersByTime(105);
  expect(list.length).toBeGreaterThanOrEqual(19);
  expect(list.length).toBeLessThanOrEqual(21);
  vi.advanceTimersByTime(200);
  expect(list).toEqual(numbers(30));
  expect(vi.getTimerCount()).toBe(0);
});

test('what was taken back costs no turn', () => {
  const pacer = new DialPacer(100);
  started(pacer, numbers(10));
  started(pacer, numbers(5000), false);
  const wanted = started(pacer, ['wanted']);
  vi.advanceTimersByTime(30);
  expect(wanted).toEqual(['wanted']);
});

test('who still waits at the end is called then, and no timer is left', () => {
  const pacer = new DialPacer(100);
  const list = started(pacer, numbers(30));
  pacer.stop();
  expect(list).toEqual(numbers(30));
  expect(vi.getTimerCount()).toBe(0);
});
