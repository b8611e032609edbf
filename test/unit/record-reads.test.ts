import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import type { AddressInfo, OnReadOpts, Socket } from 'node:net';
import { createServer } from 'node:tls';
import { expect, test } from 'vitest';
import { secureConnection } from '../../src/link/broker-socket.ts';
import { RecordReads } from '../../src/link/record-reads.ts';
import { selfSigned } from '../rig/certificates.ts';
import { Rig } from '../rig/rig.ts';

const recordBytes = 16_384;

/** What Node's TLS does with an `onread`: a record at a time into the room that it was last given. */
function reader(onread: OnReadOpts) {
  const rooms = onread.buffer as () => Uint8Array;
  let room = rooms();
  let at = 0;
  return (length: number) => {
    const record = bytes(length, at);
    at += length;
    for (let done = 0; done < length; ) {
      const part = record.subarray(done, done + room.length);
      room.set(part);
      onread.callback(part.length, room as Buffer);
      room = rooms();
      done += part.length;
    }
  };
}

function reading() {
  const chunks: Buffer[] = [];
  const reads = new RecordReads((chunk) => chunks.push(chunk));
  return { chunks, reads, read: reader(reads.onread) };
}

const bytes = (length: number, first = 0) => Uint8Array.from({ length }, (_, i) => (first + i) % 251);
const turn = () => new Promise((resolve) => setImmediate(resolve));

test('what is read is delivered byte for byte, and stays as it was when more is read', async () => {
  const { chunks, read } = reading();
  const sizes = [1, 16_383, 16_384, 16_384, 16_384, 15_904, 3, 16_384, 7, 7, 7, 7, 7, 9000, 16_384, 16_384];
  for (let round = 0; round < 5; round += 1) {
    for (const size of sizes) read(size);
    await turn();
  }
  const total = 5 * sizes.reduce((sum, size) => sum + size);
  expect(Buffer.concat(chunks).equals(Buffer.from(bytes(total)))).toBe(true);
});

test('what is handed over between two reads leaves the next one where the socket reads to', async () => {
  const { chunks, read } = reading();
  for (let reads = 0; reads < 40; reads += 1) {
    read(recordBytes);
    await turn();
  }
  expect(Buffer.concat(chunks).equals(Buffer.from(bytes(40 * recordBytes)))).toBe(true);
});

test('the records of a message are handed over together, in one buffer', async () => {
  const { chunks, read } = reading();
  read(recordBytes);
  await turn();
  chunks.length = 0;
  for (const size of [recordBytes, recordBytes, recordBytes, 15_904]) read(size);
  expect(chunks.map(({ length }) => length)).toEqual([3 * recordBytes + 15_904]);
});

test('what ends with a whole record waits for nothing more than the turn of the event loop', async () => {
  const { chunks, read } = reading();
  read(recordBytes);
  chunks.length = 0;
  read(recordBytes);
  read(recordBytes);
  expect(chunks).toEqual([]);
  await turn();
  expect(chunks.map(({ length }) => length)).toEqual([2 * recordBytes]);
});

test('quiet connections share one buffer, and a few bytes keep no large one', () => {
  const [one, other] = [reading(), reading()];
  const roomOf = ({ reads }: typeof one) => (reads.onread.buffer as () => Uint8Array)().buffer;
  expect(roomOf(one)).toBe(roomOf(other));
  one.read(recordBytes);
  expect(roomOf(one)).not.toBe(roomOf(other));
  for (let reads = 0; reads < 4; reads += 1) one.read(100);
  expect(roomOf(one)).toBe(roomOf(other));
  for (const chunk of one.chunks) expect(chunk.buffer.byteLength).toBeLessThanOrEqual(recordBytes);
});

test('over TLS all comes before the end, whole records last', async () => {
  await using rig = new Rig();
  const { cert, key } = await selfSigned(rig, 'broker', 'IP:127.0.0.1');
  const sent = randomBytes(64 * recordBytes);
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket) => {
    socket.on('error', () => {});
    // The last record is a whole one, with the end right behind it.
    socket.end(sent);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  rig.defer(() => server.close());
  const { port } = server.address() as AddressInfo;
  const connect = secureConnection as unknown as (to: object) => Socket;
  const socket = connect({ host: '127.0.0.1', port, ca: readFileSync(cert) });
  rig.defer(() => socket.destroy());
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  await new Promise((resolve, reject) => socket.on('end', resolve).on('error', reject));
  expect(Buffer.concat(chunks).equals(sent)).toBe(true);
});
