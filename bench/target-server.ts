// `target-server [ADDRESS]`: what the paths lead to. The first line of a connection says what is wanted: `down N` for N bytes, `up N` to take N
// bytes and confirm the last with one, `half` to take all until the end and answer then, anything else is echoed.

import { createServer, type Socket } from 'node:net';

const block = Buffer.alloc(1 << 20);

const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  socket.on('error', () => {});
  socket.once('data', (first) => {
    const line = /^(down|up|half) ?(\d*)\n/.exec(first.subarray(0, 64).toString('latin1'));
    if (line === null) {
      socket.write(first);
      socket.pipe(socket);
    } else if (line[1] === 'down') pour(socket, Number(line[2]));
    else if (line[1] === 'up') take(socket, Number(line[2]) - (first.length - line[0].length));
    else socket.on('end', () => socket.end('answered')).resume();
  });
});
// As many as the load brings at once.
server.listen({ port: 0, host: process.argv[2] ?? '127.0.0.1', backlog: 4096 }, () => {
  const { port } = server.address() as { port: number };
  process.stderr.write(`${JSON.stringify({ msg: 'ready', listen: [`127.0.0.1:${port}`] })}\n`);
});

function pour(socket: Socket, bytes: number): void {
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
    socket.end();
  };
  write();
}

function take(socket: Socket, bytes: number): void {
  let left = bytes;
  socket.on('data', (chunk) => {
    left -= chunk.length;
    if (left <= 0) socket.end('!');
  });
}
