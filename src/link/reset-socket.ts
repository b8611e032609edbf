// Breaks a connection so that its other end can tell it from one that has come to its end.

import type { Socket } from 'node:net';

/** With a reset, where there is one: connections over UNIX sockets and TLS just close. Safe in every state. */
export function resetSocket(socket: Socket): void {
  if (socket.destroyed) return;
  if ('encrypted' in socket || (socket.remoteAddress === undefined && !socket.connecting)) socket.destroy();
  // Ended, and the kernel has not said yet that it knows: libuv refuses to reset then, and Node forgets a handle that
  // it has not closed. It is a matter of one turn, because all that was written has been taken.
  else if (socket.writableEnded && !socket.writableFinished && socket.writableLength === 0)
    socket.once('finish', () => socket.resetAndDestroy());
  else socket.resetAndDestroy();
}
