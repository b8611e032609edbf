// Bytes in bulk, over some streams at once.

import { connect } from 'node:net';

const host = '127.0.0.1';
const block = Buffer.alloc(1 << 20);
const readBuffer = Buffer.alloc(1 << 20);

export type Direction = 'down' | 'up';

/** MB/s of `bytes` in all, over `streams` connections at once. */
export async function bulk(
  port: number,
  direction: Direction,
  bytes: number,
  streams: number,
): Promise<number> {
  const move = direction === 'down' ? download : upload;
  const each = Math.ceil(bytes / streams);
  const started = performance.now();
  await Promise.all(Array.from({ length: streams }, () => move(port, each)));
  return (each * streams) / 1000 / (performance.now() - started);
}

/** Resolves once all have come and the target has ended. */
export function download(port: number, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    let received = 0;
    const onread = {
      buffer: readBuffer,
      callback: (count: number) => {
        received += count;
        return true;
      },
    };
    const socket = connect({ port, host, onread });
    socket.write(`down ${bytes}\n`);
    socket.on('error', reject);
    socket.on('end', () => {
      socket.destroy();
      if (received === bytes) resolve();
      else reject(new Error(`${received} of ${bytes} bytes came`));
    });
    socket.resume();
  });
}

/** Resolves once the target has confirmed the last byte. */
function upload(port: number, bytes: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host });
    let left = bytes;
    const write = () => {
      while (left > 0) {
        const size = Math.min(left, block.length);
        left -= size;
        if (!socket.write(size === block.length ? block : block.subarray(0, size))) {
          socket.once('drain', write);
          return;
        }
      }
    };
    socket.write(`up ${bytes}\n`, write);
    socket.on('error', reject);
    socket.on('data', () => {
      socket.destroy();
      resolve();
    });
    socket.on('end', () => reject(new Error('the last byte was not confirmed')));
  });
}
