// What the relays lead to. The first byte of a connection says what is wanted: `d` and a count of bytes to send,
// `u` to take all that comes and confirm its end, anything else is echoed.

import { createServer, type Socket } from 'node:net';

const block = Buffer.alloc(1 << 20);

const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
  socket.on('error', () => {});
  socket.once('data', (first) => {
    if (first[0] === 0x64) pour(socket, Number(first.subarray(1).toString()));
    else if (first[0] === 0x75) socket.on('end', () => socket.end('!')).resume();
    else {
      socket.write(first);
      socket.pipe(socket);
    }
  });
});
server.listen(0, '127.0.0.1', () => {
  const { port } = server.address() as { port: number };
  process.stderr.write(`${JSON.stringify({ msg: 'ready', listen: [`127.0.0.1:${port}`] })}\n`);
});

function pour(socket: Socket, bytes: number): void {
  let left = bytes;
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
  write();
}
