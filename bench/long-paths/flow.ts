// `flow DIRECTION HOST:PORT BYTES INTERVAL-MS`: one transfer, and when its bytes had come, as JSON on stdout. Download: from the
// target. Upload: to it, seen by what it says that has come.

import { connect } from 'node:net';

export interface Flow {
  /** From the first SYN to the last byte, in ms. */
  readonly ms: number;
  /** Bytes that had come by each interval's end. */
  readonly came: readonly number[];
}

const [address = '', bytes = '0', intervalMs = '20'] = process.argv.slice(2);
const at = address.lastIndexOf(':');
const total = Number(bytes);
const came: number[] = [];
const room = Buffer.alloc(1 << 20);
let received = 0;
const startedAt = performance.now();
const timer = setInterval(() => came.push(received), Number(intervalMs));
const socket = connect({
  host: address.slice(0, at),
  port: Number(address.slice(at + 1)),
  onread: {
    buffer: room,
    callback: (count) => {
      received += count;
      return true;
    },
  },
});
socket.write(`down ${total}\n`);
socket.resume();
socket.on('end', () => {
  clearInterval(timer);
  socket.destroy();
  if (received !== total) throw new Error(`${received} of ${total} bytes came`);
  process.stdout.write(JSON.stringify({ ms: performance.now() - startedAt, came } satisfies Flow));
});
