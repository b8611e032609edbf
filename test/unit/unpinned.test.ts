import { expect, test } from 'vitest';
import { unpinned } from '../../src/link/unpinned.ts';

const room = Buffer.allocUnsafeSlow(131_072);

test('a few bytes of a large buffer are copied, so that it can go', () => {
  room.write('few', 1000);
  const kept = unpinned(room.subarray(1000, 1003));
  expect(Buffer.from(kept).toString()).toBe('few');
  expect(kept.buffer).not.toBe(room.buffer);
  expect(kept.buffer.byteLength).toBeLessThanOrEqual(16_384);
});

test('what is most of its buffer stays where it is, and so does what has a small one', () => {
  const most = room.subarray(0, 65_088);
  expect(unpinned(most)).toBe(most);
  const small = Buffer.allocUnsafeSlow(4096).subarray(0, 10);
  expect(unpinned(small)).toBe(small);
});
