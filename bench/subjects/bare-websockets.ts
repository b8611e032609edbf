// What a WebSocket costs by itself: `ws` on Node's HTTP server, set as the broker sets it, without a broker.

import { createServer } from 'node:http';
import { WebSocketServer } from 'ws';

const server = createServer();
const webSockets = new WebSocketServer({
  server,
  clientTracking: false,
  perMessageDeflate: false,
  skipUTF8Validation: true,
});
webSockets.on('connection', (socket) => {
  socket.on('message', () => {});
  socket.on('close', () => {});
  socket.on('error', () => {});
});
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const { port } = server.address() as { port: number };
  process.stderr.write(`${JSON.stringify({ msg: 'ready', listen: [`127.0.0.1:${port}`] })}\n`);
});
