// The ways from here to the target: a forward's port, CONNECT and SOCKS5 of a gateway.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { connectThrough } from '../rig/gateway.ts';
import { connectTo } from '../rig/targets.ts';
import type { Member } from './member.ts';

export interface Route {
  readonly name: string;
  /** A stream ends with one of these. */
  readonly mortals: readonly Member[];
  /** @throws where there is no way now */
  open(): Promise<Socket>;
}

export async function openForward(port: number): Promise<Socket> {
  const socket = connectTo(port);
  await once(socket, 'connect');
  return socket;
}

export async function openConnect(port: number, target: string): Promise<Socket> {
  const { socket, head } = await connectThrough({ port }, target);
  socket.on('error', () => {});
  if (head.startsWith('HTTP/1.1 200')) return socket;
  socket.destroy();
  throw new Error(head);
}

/** RFC 1928: no authentication, CONNECT, the target by its name. */
export async function openSocks(port: number, host: string, targetPort: number): Promise<Socket> {
  const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
  socket.on('error', () => {});
  await once(socket, 'connect');
  const toPort = Buffer.alloc(2);
  toPort.writeUInt16BE(targetPort);
  const request = Buffer.from([5, 1, 0, 3, host.length]);
  socket.write(Buffer.concat([Buffer.from([5, 1, 0]), request, Buffer.from(host), toPort]));
  try {
    await read(socket, 2);
    const [, reply] = await read(socket, 10);
    if (reply !== 0) throw new Error(`SOCKS5 says ${reply}`);
    return socket;
  } catch (error) {
    socket.destroy();
    throw error;
  }
}

async function read(socket: Socket, bytes: number): Promise<Buffer> {
  for (;;) {
    const chunk = socket.read(bytes) as Buffer | null;
    if (chunk !== null && chunk.length === bytes) return chunk;
    if (socket.destroyed || socket.readableEnded) throw new Error('closed before its answer');
    await Promise.race([once(socket, 'readable'), once(socket, 'close')]);
  }
}
