// New streams: connect, one byte there and back, close.

import { connect } from 'node:net';

export interface StreamTimes {
  readonly perSecond: number;
  /** Sorted, from connect to the byte that came back, in µs. */
  readonly times: number[];
}

/** `count` of them, `parallel` at a time. */
export async function newStreams(port: number, parallel: number, count: number): Promise<StreamTimes> {
  const started = performance.now();
  const times: number[] = [];
  let left = count;
  const worker = async () => {
    while (left > 0) {
      left -= 1;
      const at = performance.now();
      await oneStream(port);
      times.push((performance.now() - at) * 1000);
    }
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  const perSecond = (count / (performance.now() - started)) * 1000;
  return { perSecond, times: times.sort((a, b) => a - b) };
}

function oneStream(port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    socket.write('x');
    socket.on('error', reject);
    socket.on('data', () => {
      resolve();
      socket.destroy();
    });
    socket.on('close', () => reject(new Error('closed before it was answered')));
  });
}
