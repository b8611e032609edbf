// How long 64 bytes take there and back, alone or beside bulk on the same link.

import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { fileURLToPath } from 'node:url';

/** Sorted round trips on one connection, in µs. */
export function roundTrips(port: number, count: number): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const message = Buffer.alloc(64, 'x');
    const times: number[] = [];
    const socket = connect({ port, host: '127.0.0.1', noDelay: true });
    let sentAt = 0;
    let received = 0;
    const send = () => {
      sentAt = performance.now();
      received = 0;
      socket.write(message);
    };
    socket.on('connect', send);
    socket.on('error', reject);
    socket.on('close', () => reject(new Error('the connection was closed')));
    socket.on('data', (chunk) => {
      received += chunk.length;
      if (received < message.length) return;
      times.push((performance.now() - sentAt) * 1000);
      if (times.length < count) {
        send();
      } else {
        resolve(times.sort((a, b) => a - b));
        socket.destroy();
      }
    });
  });
}

/** The same while another process downloads through the same port without a pause. */
export async function roundTripsBesideBulk(port: number, count: number): Promise<number[]> {
  const script = fileURLToPath(new URL('endless-bulk.js', import.meta.url));
  const bulk: ChildProcess = fork(script, [String(port)], { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] });
  try {
    await once(bulk, 'message');
    return await roundTrips(port, count);
  } finally {
    bulk.kill('SIGKILL');
    await once(bulk, 'exit');
  }
}

export function percentile(sorted: readonly number[], at: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * at))] ?? 0;
}
