// The last thing that a connection hears.

import type { Socket } from 'node:net';

/** How long a client may take to read the answer and to close, in ms. */
const lingerMs = 1_000;

/**
 * Writes `answer` and closes. What the client still sends is read and dropped meanwhile: closing with bytes unread
 * would be a reset, which can overtake the answer (RFC 9112 §9.6).
 */
export function lastAnswer(socket: Socket, answer: Buffer): void {
  if (socket.destroyed) return;
  const timer = setTimeout(() => socket.destroy(), lingerMs).unref();
  socket.once('close', () => clearTimeout(timer));
  socket.once('end', () => socket.destroySoon());
  socket.end(answer);
  socket.resume();
  if (socket.readableEnded) socket.destroySoon();
}
