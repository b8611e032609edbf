// A client whose target is being dialled: what it says meanwhile is kept, up to a bound, and that it has left is
// noticed. Reads nothing once it is told to stop.

import type { Socket } from 'node:net';

/** What an optimistic client may say before it has its answer, in bytes; the rest waits in the kernel. */
const mostHeldBytes = 65_536;

export class WaitingClient {
  readonly #socket: Socket;
  readonly #gone = new AbortController();
  readonly #held: Buffer[] = [];
  #heldBytes = 0;
  readonly #onData = (chunk: Buffer): void => {
    this.#hold(chunk);
    if (this.#heldBytes >= mostHeldBytes) this.#socket.pause();
  };
  readonly #onEnd = (): void => {
    // One that ends before it has an answer, and has said nothing for the target, has left: a whole close and a half
    // one look the same from here. One that has spoken may wait for the reply.
    if (this.#heldBytes === 0) this.#leave();
  };
  readonly #onClose = (): void => this.#leave();

  /** `early`: what was read beyond the request. */
  constructor(socket: Socket, early: Buffer) {
    this.#socket = socket;
    if (early.length > 0) this.#hold(early);
    socket.on('data', this.#onData).once('end', this.#onEnd).once('close', this.#onClose);
    socket.resume();
    if (socket.destroyed) this.#leave();
  }

  /** Aborted when the client has left. */
  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** Stops watching, with the socket paused, and gives what was said. */
  take(): Buffer {
    this.#socket.off('data', this.#onData).off('end', this.#onEnd).off('close', this.#onClose);
    this.#socket.pause();
    return Buffer.concat(this.#held);
  }

  #hold(chunk: Buffer): void {
    this.#held.push(chunk);
    this.#heldBytes += chunk.length;
  }

  #leave(): void {
    this.#gone.abort();
  }
}
