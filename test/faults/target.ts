// The far end of the workload, a program of its own so that it can live in another network: `target PORT [PACE]`. The
// first byte of a connection says what it is for: d(own), u(p) or e(cho).

import { createServer, type Socket } from 'node:net';
import { PatternCheck, pattern } from '../rig/targets.ts';

/** How much at once, and how often, in bytes and ms: slow enough that 64 of them leave two cores to the faults. */
const paceBytes = 1024;
export const paceMs = 100;
export const trailerBytes = 8;

/** Writes the pattern until the peer has half-closed, then how many bytes that were. */
async function sendDown(socket: Socket, everyMs: number): Promise<void> {
  let ended = false;
  let sent = 0;
  socket.on('end', () => {
    ended = true;
  });
  socket.resume();
  while (!ended && !socket.destroyed) {
    sent += writePiece(socket, sent);
    await new Promise((resolve) => setTimeout(resolve, everyMs));
  }
  const trailer = Buffer.alloc(trailerBytes);
  trailer.writeBigUInt64BE(BigInt(sent));
  socket.end(trailer);
}

/** One piece of the pattern from `offset` on, where the socket has room; answers its length. */
export function writePiece(socket: Socket, offset: number): number {
  if (socket.writableNeedDrain) return 0;
  const from = offset % pattern.length;
  const piece = pattern.subarray(from, Math.min(pattern.length, from + paceBytes));
  socket.write(piece);
  return piece.length;
}

/** Answers how many bytes have come, time and again and at the end. What is wrong resets the connection. */
function takeUp(socket: Socket): void {
  const check = new PatternCheck();
  const tell = () => {
    const count = Buffer.alloc(8);
    count.writeBigUInt64BE(BigInt(check.bytes));
    return count;
  };
  socket.on('data', (chunk) => {
    try {
      check.push(chunk);
      if (!socket.writableNeedDrain) socket.write(tell());
    } catch {
      socket.resetAndDestroy();
    }
  });
  socket.on('end', () => socket.end(tell()));
}

if (process.argv[1]?.endsWith('target.js')) {
  const [port, everyMs = paceMs] = process.argv.slice(2).map(Number);
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    socket.on('error', () => {});
    socket.once('data', (first: Buffer) => {
      socket.pause();
      if (first.length > 1) socket.unshift(first.subarray(1));
      const kind = String.fromCharCode(first[0] ?? 0);
      if (kind === 'd') void sendDown(socket, everyMs);
      else if (kind === 'u') takeUp(socket);
      else socket.pipe(socket);
      socket.resume();
    });
  });
  server.listen(port, '127.0.0.1', () => process.stdout.write('ready\n'));
}
