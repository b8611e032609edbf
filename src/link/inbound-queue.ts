// Bytes that a stream delivered and that its reader has not asked for yet, in order.
// Must never hold more memory than about twice the bytes that it counts: a peer that sends a byte a frame
// must not make us keep a whole message for each.

import { unpinned } from './unpinned.ts';

/** A chunk under this size is copied: as a view it would keep the message that it came in alive. */
const copyBelowBytes = 4096;
const blockBytes = 16_384;

export class InboundQueue {
  #chunks: Buffer[] = [];
  #head = 0;
  /** The block that small chunks are gathered in, and how much of it is used; always the last chunk. */
  #block: Buffer | undefined;
  #blockUsed = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  push(chunk: Uint8Array): void {
    this.#bytes += chunk.length;
    if (chunk.length >= copyBelowBytes) {
      this.#closeBlock();
      const kept = unpinned(chunk);
      this.#chunks.push(Buffer.from(kept.buffer, kept.byteOffset, kept.length));
      return;
    }
    if (this.#block === undefined || this.#blockUsed + chunk.length > this.#block.length) {
      this.#closeBlock();
      this.#block = Buffer.allocUnsafeSlow(blockBytes);
    }
    this.#block.set(chunk, this.#blockUsed);
    this.#blockUsed += chunk.length;
  }

  shift(): Buffer | undefined {
    if (this.#head === this.#chunks.length) this.#closeBlock();
    const chunk = this.#chunks[this.#head];
    if (chunk === undefined) return undefined;
    this.#bytes -= chunk.length;
    this.#head += 1;
    if (this.#head === this.#chunks.length || this.#head === 1024) {
      this.#chunks = this.#chunks.slice(this.#head);
      this.#head = 0;
    }
    return chunk;
  }

  clear(): void {
    this.#bytes = 0;
    this.#chunks = [];
    this.#head = 0;
    this.#block = undefined;
    this.#blockUsed = 0;
  }

  #closeBlock(): void {
    if (this.#block === undefined) return;
    if (this.#blockUsed > 0) {
      const used = this.#block.subarray(0, this.#blockUsed);
      // A block that is mostly empty would outlive its worth: keep the bytes, not the block.
      this.#chunks.push(this.#blockUsed * 2 < blockBytes ? Buffer.from(used) : used);
    }
    this.#block = undefined;
    this.#blockUsed = 0;
  }
}
