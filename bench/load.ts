// The load: each function does one piece of work through one port and answers its figure.

import { connect } from 'node:net';

const host = '127.0.0.1';
const block = Buffer.alloc(1 << 20);
const readBuffer = Buffer.alloc(1 << 20);

/** MB/s of `bytes` from the target to here. */
export function download(port: number, bytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const started = performance.now();
    let received = 0;
    const onread = {
      buffer: readBuffer,
      callback: (count: number) => {
        received += count;
        return true;
      },
    };
    const socket = connect({ port, host, onread });
    socket.write(`d${bytes}`);
    socket.on('error', reject);
    socket.on('end', () => {
      socket.destroy();
      if (received < bytes) reject(new Error(`only ${received} of ${bytes} bytes came`));
      else resolve(bytes / 1000 / (performance.now() - started));
    });
    socket.resume();
  });
}

/** MB/s of `bytes` from here to the target, until it has confirmed the end. */
export function upload(port: number, bytes: number): Promise<number> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host, allowHalfOpen: true });
    const started = performance.now();
    let left = bytes;
    let confirmed = false;
    const write = () => {
      while (left > 0) {
        left -= block.length;
        if (!socket.write(block)) {
          socket.once('drain', write);
          return;
        }
      }
      socket.end();
    };
    socket.write('u', write);
    socket.on('error', reject);
    socket.on('data', () => {
      confirmed = true;
    });
    socket.on('end', () => {
      socket.destroy();
      if (confirmed) resolve(bytes / 1000 / (performance.now() - started));
      else reject(new Error('the end was not confirmed'));
    });
  });
}

/** Sorted round trips of 64 bytes on one connection, in µs. */
export function roundTrips(port: number, count: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const message = Buffer.alloc(64, 'x');
    const times: number[] = [];
    const socket = connect({ port, host, noDelay: true });
    let sentAt = 0;
    let received = 0;
    const send = () => {
      sentAt = performance.now();
      received = 0;
      socket.write(message);
    };
    socket.on('connect', send);
    socket.on('error', reject);
    socket.on('data', (chunk) => {
      received += chunk.length;
      if (received < message.length) return;
      times.push((performance.now() - sentAt) * 1000);
      if (times.length < count) {
        send();
      } else {
        socket.destroy();
        resolve(times.sort((a, b) => a - b));
      }
    });
  });
}

/** New streams per second: connect, one byte there and back, close; `parallel` at a time. */
export async function newStreams(port: number, parallel: number, count: number): Promise<number> {
  const started = performance.now();
  let left = count;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      await oneStream(port);
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return (count / (performance.now() - started)) * 1000;
}

function oneStream(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host });
    socket.write('x');
    socket.on('error', reject);
    socket.on('data', () => {
      socket.destroy();
      resolve();
    });
  });
}
