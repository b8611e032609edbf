// One hop of a bare chain over TLS: `ws` as it is, nothing of Fairlead. `node wss-relay.js FROM TO PORT [CERT KEY]` takes
// connections as FROM and passes each on as TO, `tcp` or `wss`, to that loopback port. Has no half-close, which bulk does not need.

import { readFileSync } from 'node:fs';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';

const [from, to, port, cert = '', key = ''] = process.argv.slice(2);
/** Bytes that wait at one side, above which the other is read no more; a quarter of it, and it is read again. */
const highWaterBytes = 1 << 20;

/** Either kind of connection. */
interface Side {
  readonly bufferedBytes: number;
  onData(take: (bytes: Buffer) => void): void;
  onEnd(ended: () => void): void;
  write(bytes: Buffer, sent: () => void): void;
  pause(): void;
  resume(): void;
  end(): void;
}

function tcpSide(socket: Socket): Side {
  socket.on('error', () => socket.destroy());
  return {
    get bufferedBytes() {
      return socket.writableLength;
    },
    onData: (take) => void socket.on('data', take),
    onEnd: (ended) => void socket.on('close', ended),
    write: (bytes, sent) => void socket.write(bytes, sent),
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end: () => void socket.end(),
  };
}

function webSocketSide(webSocket: WebSocket): Side {
  const options = { binary: true, compress: false };
  webSocket.on('error', () => webSocket.terminate());
  return {
    get bufferedBytes() {
      return webSocket.bufferedAmount;
    },
    onData: (take) => void webSocket.on('message', take),
    onEnd: (ended) => void webSocket.on('close', ended),
    write: (bytes, sent) => webSocket.send(bytes, options, sent),
    pause: () => webSocket.pause(),
    resume: () => webSocket.resume(),
    end: () => webSocket.close(),
  };
}

function pass(source: Side, sink: Side): void {
  const sent = () => {
    if (sink.bufferedBytes <= highWaterBytes / 4) source.resume();
  };
  source.onData((bytes) => {
    sink.write(bytes, sent);
    if (sink.bufferedBytes > highWaterBytes) source.pause();
  });
  source.onEnd(() => sink.end());
}

function join(near: Side, far: Side): void {
  pass(near, far);
  pass(far, near);
  near.resume();
}

function passOn(near: Side): void {
  near.pause();
  if (to === 'tcp') {
    const socket = connect({ port: Number(port), host: '127.0.0.1', noDelay: true });
    socket.once('connect', () => join(near, tcpSide(socket)));
    socket.once('error', () => near.end());
    return;
  }
  const webSocket = new WebSocket(`wss://127.0.0.1:${port}`, {
    rejectUnauthorized: false,
    perMessageDeflate: false,
    skipUTF8Validation: true,
    // As Fairlead inside TLS: no pass over every byte for the mask.
    generateMask: (mask) => mask.fill(0),
  });
  webSocket.once('open', () => join(near, webSocketSide(webSocket)));
  webSocket.once('error', () => near.end());
}

function accepting(): Server {
  if (from === 'tcp') return createServer({ noDelay: true }, (socket) => passOn(tcpSide(socket)));
  const server = createTlsServer({ cert: readFileSync(cert), key: readFileSync(key), noDelay: true });
  const webSockets = new WebSocketServer({ server, perMessageDeflate: false, skipUTF8Validation: true });
  webSockets.on('connection', (webSocket) => passOn(webSocketSide(webSocket)));
  return server;
}

const server = accepting();
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => {
  const bound = server.address() as AddressInfo;
  process.stderr.write(`${JSON.stringify({ msg: 'ready', listen: [`127.0.0.1:${bound.port}`] })}\n`);
});
