import type { OnReadOpts } from 'node:net';
import { expect, test } from 'vitest';
import { bulkReads } from '../../src/link/bulk-reads.ts';

/** What libuv does with an `onread`: fills the room that it was last given, as far as it goes. */
function reader(onread: OnReadOpts) {
  const rooms = onread.buffer as () => Uint8Array;
  let room = rooms();
  return {
    room: () => room,
    read(bytes: Uint8Array): void {
      for (let at = 0; at < bytes.length; ) {
        const part = bytes.subarray(at, at + room.length);
        room.set(part);
        onread.callback(part.length, room as Buffer);
        room = rooms();
        at += part.length;
      }
    },
  };
}

const bytes = (length: number, first = 0) => Uint8Array.from({ length }, (_, i) => (first + i) % 251);

test('what is read is delivered byte for byte, and stays as it was when more is read', () => {
  const chunks: Buffer[] = [];
  const { read } = reader(bulkReads((chunk) => chunks.push(chunk)));
  const sizes = [
    1, 2047, 2048, 2049, 65_536, 300_000, 3, 16_383, 16_384, 131_072, 7, 7, 7, 7, 7, 9000, 65_088,
  ];
  let at = 0;
  for (const size of sizes) {
    read(bytes(size, at));
    at += size;
  }
  expect(Buffer.concat(chunks).equals(Buffer.from(bytes(at)))).toBe(true);
});

test('quiet sockets share one buffer; a busy one has its own, and shares again once it is quiet', () => {
  const one = reader(bulkReads(() => {}));
  const other = reader(bulkReads(() => {}));
  expect(one.room()).toBe(other.room());
  one.read(bytes(100));
  expect(one.room()).toBe(other.room());
  one.read(bytes(16_384));
  expect(one.room()).not.toBe(other.room());
  expect(one.room().length).toBeGreaterThanOrEqual(65_536);
  one.read(bytes(65_536));
  expect(one.room().length).toBeGreaterThanOrEqual(65_536);
  for (let i = 0; i < 4; i += 1) one.read(bytes(40));
  expect(one.room()).toBe(other.room());
});

test('a few bytes never keep a large buffer alive', () => {
  const chunks: Buffer[] = [];
  const { read } = reader(bulkReads((chunk) => chunks.push(chunk)));
  read(bytes(40));
  read(bytes(65_536));
  read(bytes(40));
  for (const chunk of [chunks[0], chunks[2]]) expect(chunk?.buffer.byteLength).toBeLessThanOrEqual(16_384);
});
