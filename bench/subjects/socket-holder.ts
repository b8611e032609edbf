// What a connection costs by itself: accepts, echoes, holds.

import { createServer } from 'node:net';

const server = createServer({ noDelay: true }, (socket) => {
  socket.on('error', () => {});
  socket.on('data', (chunk) => socket.write(chunk));
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const { port } = server.address() as { port: number };
  process.stderr.write(`${JSON.stringify({ msg: 'ready', listen: [`127.0.0.1:${port}`] })}\n`);
});
