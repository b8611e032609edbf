// `echoes HOST:PORT COUNT INTERVAL-MS`: 64 bytes there and back now and then, and how long each took, as JSON on stdout.

import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';

const [address = '', count = '0', intervalMs = '50'] = process.argv.slice(2);
const at = address.lastIndexOf(':');
const message = Buffer.alloc(64, 'x');
const times: number[] = [];
const socket = connect({ host: address.slice(0, at), port: Number(address.slice(at + 1)), noDelay: true });
for (let i = 0; i < Number(count); i += 1) {
  const sentAt = performance.now();
  await new Promise<void>((resolve, reject) => {
    let left = message.length;
    const hear = (chunk: Buffer) => {
      left -= chunk.length;
      if (left > 0) return;
      socket.off('data', hear).off('error', reject);
      resolve();
    };
    socket.on('data', hear).once('error', reject);
    socket.write(message);
  });
  times.push(performance.now() - sentAt);
  await sleep(Number(intervalMs));
}
socket.destroy();
// The first one opened the stream.
process.stdout.write(JSON.stringify(times.slice(1).sort((a, b) => a - b)));
