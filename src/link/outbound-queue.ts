// Chunks that a program wrote and that its stream has not taken yet, cut and gathered into segments.
// Must never keep a program's buffer past the moment that its write is called done.

import { bulkPayloadBytes, headroomBytes } from '../protocol/frame.ts';

/** What takes the bytes: the sending side of a protocol `Stream`. */
export interface SegmentSink {
  write(chunk: Uint8Array): boolean;
  writeSegment(buffer: Uint8Array, payloadBytes: number): boolean;
}

/** Up to this size a lone chunk is left to the session, which shares one message among small frames. */
const smallWriteBytes = 4096;

export class OutboundQueue {
  #chunks: Uint8Array[] = [];
  #first = 0;
  #firstOffset = 0;
  #bytes = 0;

  get bytes(): number {
    return this.#bytes;
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.#bytes += chunk.length;
  }

  /** Gives the sink what it takes; returns false where it said stop. */
  drainInto(sink: SegmentSink): boolean {
    let hasRoom = true;
    while (hasRoom && this.#bytes > 0) {
      const size = Math.min(this.#bytes, bulkPayloadBytes);
      const only = this.#chunks[this.#first];
      if (only !== undefined && size <= smallWriteBytes && only.length - this.#firstOffset === size) {
        const payload = this.#firstOffset === 0 ? only : only.subarray(this.#firstOffset);
        this.#advance(size);
        hasRoom = sink.write(payload);
      } else {
        const segment = Buffer.allocUnsafe(headroomBytes + size);
        this.#gather(segment, size);
        hasRoom = sink.writeSegment(segment, size);
      }
    }
    return hasRoom;
  }

  clear(): void {
    this.#chunks = [];
    this.#first = 0;
    this.#firstOffset = 0;
    this.#bytes = 0;
  }

  #gather(into: Uint8Array, size: number): void {
    let copied = 0;
    while (copied < size) {
      const chunk = this.#chunks[this.#first];
      if (chunk === undefined) return;
      const take = Math.min(chunk.length - this.#firstOffset, size - copied);
      into.set(chunk.subarray(this.#firstOffset, this.#firstOffset + take), headroomBytes + copied);
      copied += take;
      this.#advance(take);
    }
  }

  #advance(bytes: number): void {
    this.#bytes -= bytes;
    this.#firstOffset += bytes;
    if (this.#firstOffset === this.#chunks[this.#first]?.length) {
      this.#first += 1;
      this.#firstOffset = 0;
    }
    if (this.#bytes === 0) this.clear();
  }
}
