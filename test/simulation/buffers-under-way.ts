// Buffers of messages that simulated links carry by reference: a session may use one again once it is retired and
// nothing that was made of it is still under way. A real link has copied it to its socket by then.

import { returnSegment } from '../../src/protocol/segment-pool.ts';

/** Smaller ones are not worth keeping. */
const smallestBytes = 16_384;

export class BuffersUnderWay {
  /** How many messages under way each holds. */
  private readonly held = new Map<ArrayBufferLike, number>();
  private readonly retiredWhileHeld = new Map<ArrayBufferLike, Uint8Array>();

  hold({ buffer }: Uint8Array): void {
    if (buffer.byteLength >= smallestBytes) this.held.set(buffer, (this.held.get(buffer) ?? 0) + 1);
  }

  release({ buffer }: Uint8Array): void {
    if (buffer.byteLength < smallestBytes) return;
    const left = (this.held.get(buffer) ?? 0) - 1;
    if (left > 0) {
      this.held.set(buffer, left);
      return;
    }
    this.held.delete(buffer);
    const retired = this.retiredWhileHeld.get(buffer);
    if (retired === undefined) return;
    this.retiredWhileHeld.delete(buffer);
    returnSegment(retired);
  }

  retire(bytes: Uint8Array): void {
    const { buffer } = bytes;
    if (buffer.byteLength < smallestBytes) return;
    const whole = bytes.byteLength === buffer.byteLength ? bytes : new Uint8Array(buffer);
    if (this.held.has(buffer)) this.retiredWhileHeld.set(buffer, whole);
    else returnSegment(whole);
  }
}
