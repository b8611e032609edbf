// The yardstick: the simplest good TCP relay in Node. `node plain-relay.js PORT` relays to that loopback port.

import { connect, createServer } from 'node:net';

const target = Number(process.argv[2]);

const server = createServer({ allowHalfOpen: true, noDelay: true }, (near) => {
  const far = connect({ port: target, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  near.pipe(far);
  far.pipe(near);
  near.on('error', () => far.destroy());
  far.on('error', () => near.destroy());
});
server.listen(0, '127.0.0.1', () => announce(server.address() as { port: number }));

function announce({ port }: { port: number }): void {
  process.stderr.write(`${JSON.stringify({ msg: 'ready', listen: [`127.0.0.1:${port}`] })}\n`);
}
