// Kubernetes' channels over WebSocket: the first byte of each message says which stream it is of.

import { Duplex, PassThrough, Readable, Writable } from 'node:stream';
import type { WebSocket } from 'ws';
import { forwardPort, type RemoteStreams } from './remote-command.ts';

/** In the order of preference; v5 can say that stdin has ended. */
export const channelProtocols: readonly string[] = ['v5.channel.k8s.io', 'v4.channel.k8s.io'];

const closeChannel = 255;

export function remoteStreams(socket: WebSocket, wanted: URLSearchParams): RemoteStreams {
  const wants = (...names: string[]) => names.some((name) => /^(1|true)$/.test(wanted.get(name) ?? ''));
  const stdin = wants('stdin', 'input') ? new PassThrough() : undefined;
  socket.on('message', (data: Buffer) => {
    if (data[0] === 0) stdin?.write(data.subarray(1));
    else if (data[0] === closeChannel && data[1] === 0) stdin?.end();
  });
  socket.on('close', () => stdin?.end());
  return {
    stdin,
    stdout: wants('stdout', 'output') ? channel(socket, 1) : undefined,
    stderr: wants('stderr', 'error') ? channel(socket, 2) : undefined,
    finish(status) {
      socket.send(Buffer.concat([Buffer.from([3]), Buffer.from(JSON.stringify(status))]));
      socket.close(1000);
    },
  };
}

function channel(socket: WebSocket, number: number): Writable {
  const prefix = Buffer.from([number]);
  return new Writable({
    write: (chunk: Buffer, _encoding, done) =>
      socket.send(Buffer.concat([prefix, chunk]), (error) => done(error ?? null)),
  });
}

/** Two channels for each port, data and error; the first message of each is the port. */
export function forwardPorts(socket: WebSocket, ports: readonly number[]): void {
  const streams = ports.map((port, index) => {
    const [data, errors] = [channel(socket, index * 2), channel(socket, index * 2 + 1)];
    const name = Buffer.from([port & 0xff, port >> 8]);
    data.write(name);
    errors.write(name);
    const inbound = new Readable({ read() {} });
    const stream = Duplex.from({ readable: inbound, writable: data });
    stream.on('error', () => {});
    forwardPort(port, stream, (message) => errors.write(message));
    return inbound;
  });
  socket.on('message', (message: Buffer) => {
    const number = message[0] ?? 0;
    if (number % 2 === 0) streams[number / 2]?.push(message.subarray(1));
  });
  socket.on('close', () => {
    for (const inbound of streams) inbound.push(null);
  });
}
