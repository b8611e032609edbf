// TCP servers for tests to dial: each speaks a known pattern, so that every byte can be checked at its offset.

import { createHash } from 'node:crypto';
import { connect, createServer, type Server, type Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Rig } from './rig.ts';

/** 1 MiB of pseudo-random bytes, the same in every run; repeated for longer streams. */
export const pattern = Buffer.allocUnsafe(1 << 20);
for (let i = 0, x = 0x2545f491; i < pattern.length; i += 4) {
  x ^= x << 13;
  x ^= x >>> 17;
  x ^= x << 5;
  pattern.writeInt32LE(x, i);
}

/** Checks bytes against the pattern, from offset 0 on. */
export class PatternCheck {
  bytes = 0;

  push(chunk: Buffer): void {
    for (let at = 0; at < chunk.length; ) {
      const from = this.bytes % pattern.length;
      const length = Math.min(chunk.length - at, pattern.length - from);
      if (pattern.compare(chunk, at, at + length, from, from + length) !== 0) {
        throw new Error(`wrong bytes at or after offset ${this.bytes}`);
      }
      at += length;
      this.bytes += length;
    }
  }
}

/** SHA-256 of the first `bytes` of the repeated pattern. */
export function patternHash(bytes: number): string {
  const hash = createHash('sha256');
  for (let left = bytes; left > 0; left -= pattern.length)
    hash.update(pattern.subarray(0, Math.min(left, pattern.length)));
  return hash.digest('hex');
}

/** Writes `bytes` of the pattern and half-closes; `bytesPerSecond` throttles. */
export async function writePattern(socket: Duplex, bytes: number, bytesPerSecond = 0): Promise<void> {
  const step = bytesPerSecond > 0 ? Math.ceil(bytesPerSecond / 50) : pattern.length;
  for (let sent = 0; sent < bytes; ) {
    const from = sent % pattern.length;
    const length = Math.min(step, bytes - sent, pattern.length - from);
    sent += length;
    if (socket.destroyed) return;
    if (!socket.write(pattern.subarray(from, from + length))) await drained(socket);
    if (bytesPerSecond > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }
  socket.end();
}

/** As {@link writePattern}, a little at a time for as long as `goesOn`; answers how many bytes that were. */
export async function writePatternWhile(socket: Duplex, goesOn: () => boolean): Promise<number> {
  let sent = 0;
  for (const step = 32_768; goesOn() && !socket.destroyed; sent += step) {
    const from = sent % pattern.length;
    if (!socket.write(pattern.subarray(from, from + step))) await drained(socket);
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  socket.end();
  return sent;
}

function drained(socket: Duplex): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      socket.off('drain', done);
      socket.off('close', done);
      resolve();
    };
    socket.on('drain', done);
    socket.on('close', done);
  });
}

/** A server on a free loopback port; `serve` gets each connection, half-open allowed. */
export async function listen(rig: Rig, serve: (socket: Socket) => void): Promise<number> {
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    socket.on('error', () => {});
    serve(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  rig.defer(() => {
    for (const socket of sockets) socket.destroy();
    server.close();
  });
  return (server.address() as { port: number }).port;
}

export function connectTo(port: number): Socket {
  return connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
}

/** Everything that comes, checked; resolves at the end with the count, rejects on an error. */
export function readPattern(socket: Duplex): Promise<number> {
  const check = new PatternCheck();
  return new Promise((resolve, reject) => {
    socket.on('data', (chunk) => {
      try {
        check.push(chunk);
      } catch (error) {
        reject(error);
        socket.destroy();
      }
    });
    socket.on('end', () => resolve(check.bytes));
    socket.on('error', reject);
    socket.on('close', () => reject(new Error(`closed after ${check.bytes} bytes, before the end`)));
  });
}

/** A TCP proxy whose connections can be cut, or can die in silence. */
export class CuttableProxy {
  port = 0;
  /** What came first on the newest connection. */
  firstBytes = '';
  private readonly pairs = new Set<readonly [near: Socket, far: Socket]>();

  /** Where the next connections lead. */
  target = 0;

  static async start(rig: Rig, target: number): Promise<CuttableProxy> {
    const proxy = new CuttableProxy();
    proxy.target = target;
    proxy.port = await listen(rig, (near) => proxy.join(near, connectTo(proxy.target)));
    rig.defer(() => proxy.cut());
    return proxy;
  }

  private join(near: Socket, far: Socket): void {
    near.once('data', (chunk) => {
      this.firstBytes = chunk.toString('latin1');
    });
    const pair = [near, far] as const;
    this.pairs.add(pair);
    const ended = () => {
      if (!this.pairs.delete(pair)) return;
      near.destroy();
      far.destroy();
    };
    for (const socket of pair) socket.on('error', ended).on('close', ended);
    near.pipe(far);
    far.pipe(near);
  }

  /** Resets every connection; answers how many that were. */
  cut(): number {
    const pairs = [...this.pairs];
    this.pairs.clear();
    for (const [near, far] of pairs) {
      near.resetAndDestroy();
      far.resetAndDestroy();
    }
    return pairs.length;
  }

  /** Nothing passes any more on the connections that there are, and neither end hears of it. */
  freeze(): void {
    for (const [near, far] of this.pairs) {
      near.unpipe(far).pause();
      far.unpipe(near).pause();
    }
  }

  /** Whoever connected to the proxy sees its connections end; the other side does not. */
  cutNear(rig: Rig): void {
    for (const pair of this.pairs) {
      this.pairs.delete(pair);
      const [near, far] = pair;
      near.resetAndDestroy();
      rig.defer(() => far.destroy());
    }
  }
}
