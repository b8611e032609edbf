// Bytes that a stream delivered and that the page has not read yet, in order. Must never hold much more memory than the
// bytes that it counts: a chunk is a view of a whole message, and a peer may send a byte a message.

/** A chunk under this size is copied. */
const copyBelowBytes = 4096;
const blockBytes = 16_384;

export class ByteQueue {
  #chunks: Uint8Array[] = [];
  /** What small chunks are gathered in, the last of the queue, and how much of it is used. */
  #block: Uint8Array | undefined;
  #used = 0;

  get isEmpty(): boolean {
    return this.#chunks.length === 0 && this.#block === undefined;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length >= copyBelowBytes) {
      this.#closeBlock();
      this.#chunks.push(chunk);
      return;
    }
    if (this.#block === undefined || this.#used + chunk.length > this.#block.length) {
      this.#closeBlock();
      this.#block = new Uint8Array(blockBytes);
    }
    this.#block.set(chunk, this.#used);
    this.#used += chunk.length;
  }

  shift(): Uint8Array | undefined {
    if (this.#chunks.length === 0) this.#closeBlock();
    return this.#chunks.shift();
  }

  clear(): void {
    this.#chunks = [];
    this.#block = undefined;
    this.#used = 0;
  }

  #closeBlock(): void {
    if (this.#block !== undefined) this.#chunks.push(this.#block.slice(0, this.#used));
    this.#block = undefined;
    this.#used = 0;
  }
}
