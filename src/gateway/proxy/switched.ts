// Two connections that speak a protocol of their own from now on, joined both ways with half-close and back-pressure.

import type { Duplex } from 'node:stream';

/** Whatever ends one in any other way than by its own end breaks the other. Answers with `ended` once both are closed. */
export function joinSwitched(near: Duplex, far: Duplex, ended: () => void): void {
  let open = 2;
  for (const [socket, other] of [
    [near, far],
    [far, near],
  ] as const) {
    // What broke is told by "close", which follows.
    socket.on('error', () => {});
    socket.once('close', () => {
      if (!(socket.readableEnded && socket.writableFinished)) other.destroy();
      open -= 1;
      if (open === 0) ended();
    });
    socket.pipe(other);
    if (socket.destroyed) other.destroy();
  }
}
