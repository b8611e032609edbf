import { EventEmitter } from 'node:events';
import type { Socket } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { LateResets } from '../../src/broker/late-resets.ts';

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

class Refused extends EventEmitter {
  resets = 0;
  resetAndDestroy(): void {
    this.resets += 1;
    this.emit('close');
  }
}

function refuse(resets: LateResets): Refused {
  const socket = new Refused();
  resets.reset(socket as unknown as Socket);
  return socket;
}

test('a refused connection waits for its reset; more than 512 at once do not', () => {
  const resets = new LateResets();
  const held = Array.from({ length: 512 }, () => refuse(resets));
  expect(refuse(resets).resets).toBe(1);
  vi.advanceTimersByTime(249);
  expect(held.every((socket) => socket.resets === 0)).toBe(true);
  vi.advanceTimersByTime(1);
  expect(held.every((socket) => socket.resets === 1)).toBe(true);
  expect(refuse(resets).resets).toBe(0);
});

test('one that ends by itself is not reset, and makes room', () => {
  const resets = new LateResets();
  const [first] = Array.from({ length: 512 }, () => refuse(resets));
  first?.emit('close');
  expect(refuse(resets).resets).toBe(0);
  expect(refuse(resets).resets).toBe(1);
  vi.advanceTimersByTime(250);
  expect(first?.resets).toBe(0);
  expect(vi.getTimerCount()).toBe(0);
});
