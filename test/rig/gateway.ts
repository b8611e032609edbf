// A real `fairlead gateway`, and clients at byte level.

import { connect, type Socket } from 'node:net';
import type { Network, Program, Rig } from './rig.ts';

export class Gateway {
  readonly program: Program;
  /** As its ready line has them. */
  readonly listen: readonly string[];

  private constructor(program: Program, listen: readonly string[]) {
    this.program = program;
    this.listen = listen;
  }

  static async start(rig: Rig, network: Network, ...flags: string[]): Promise<Gateway> {
    const program = rig.fairlead('gateway', ...network.access(), ...flags);
    const [line] = await program.said(/^\{.*"msg":"ready".*\}$/m);
    return new Gateway(program, (JSON.parse(line) as { listen: string[] }).listen);
  }

  /** Port of the address at `index`. */
  port(index = 0): number {
    const address = this.listen[index] ?? '';
    return Number(address.slice(address.lastIndexOf(':') + 1));
  }
}

/** Everything that comes until the end. */
export function readAll(socket: Socket): Promise<Buffer> {
  const chunks: Buffer[] = [];
  socket.on('data', (chunk: Buffer) => chunks.push(chunk)).resume();
  return new Promise((resolve) => {
    socket.on('error', () => {});
    socket.once('close', () => resolve(Buffer.concat(chunks)));
  });
}

/** What comes back for these very bytes. */
export async function exchange(
  to: { port: number } | { path: string },
  bytes: Buffer | string,
): Promise<string> {
  const socket = connect('port' in to ? { host: '127.0.0.1', port: to.port } : { path: to.path });
  socket.on('error', () => {});
  socket.write(bytes);
  return (await readAll(socket)).toString('latin1');
}

/** A connection through CONNECT once its 200 is there, with the bytes that came with it. */
export async function connectThrough(
  to: { port: number } | { path: string },
  authority: string,
): Promise<{ socket: Socket; head: string; early: Buffer }> {
  const options = 'port' in to ? { host: '127.0.0.1', port: to.port } : { path: to.path };
  const socket = connect({ ...options, allowHalfOpen: true });
  socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  let got = Buffer.alloc(0);
  return await new Promise((resolve, reject) => {
    const onData = (chunk: Buffer): void => {
      got = Buffer.concat([got, chunk]);
      const end = got.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', onData).off('error', reject).off('close', onClose).pause();
      const head = got.subarray(0, end).toString('latin1');
      resolve({ socket, head, early: got.subarray(end + 4) });
    };
    const onClose = (): void => reject(new Error(`closed before a whole head: ${got.toString('latin1')}`));
    socket.on('data', onData).once('error', reject).once('close', onClose);
  });
}
