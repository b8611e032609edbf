// Connections that are refused, and told so a moment later: whoever comes again at once, as floods do, comes no more often
// than that. Holds a bounded number of them; nothing that they send is looked at.

import type { Socket } from 'node:net';

/** How long a refused connection waits for its reset, in ms. */
const waitMs = 250;
/** More than so many at once are reset without a wait. */
const mostHeld = 512;

export class LateResets {
  readonly #held = new Set<Socket>();

  reset(socket: Socket): void {
    if (this.#held.size >= mostHeld) {
      socket.resetAndDestroy();
      return;
    }
    this.#held.add(socket);
    const timer = setTimeout(() => socket.resetAndDestroy(), waitMs).unref();
    socket.once('close', () => {
      clearTimeout(timer);
      this.#held.delete(socket);
    });
  }
}
