// `idle-streams PORT COUNT`: so many connections, each answered once, and then left alone.

import { connect } from 'node:net';

const [port, count] = process.argv.slice(2).map(Number);
const atOnce = 64;
let left = count ?? 0;
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    while (left > 0) {
      left -= 1;
      await open();
    }
  }),
);
// What has to be done with them should be done when memory is looked at.
await new Promise((resolve) => setTimeout(resolve, 2000));
process.stderr.write(`${JSON.stringify({ msg: 'ready', listen: [] })}\n`);

function open(): Promise<void> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port: port ?? 0, host: '127.0.0.1', noDelay: true });
    socket.write('x');
    socket.once('error', reject);
    socket.once('data', () => {
      socket.off('error', reject);
      socket.on('error', () => {});
      resolve();
    });
  });
}
