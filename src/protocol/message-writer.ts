// Puts several frames into one message. A small one is a copy of its own, so that the writer can be used again at
// once; a large one is written where it will stay.

import { envelopeBytes, writeSession } from './envelope.ts';
import { frameHeaderBytes, frameTypes, maxFramePayloadBytes, writeFrameHeader, writeU64 } from './frame.ts';
import type { Stream } from './stream.ts';

/** Small messages stay small, so that bulk gets its turn and one loss costs little. */
const smallMessageBytes = 16_384;

/** All writers of a process share one scratch area: a message is finished before the next begins. */
const scratch = new Uint8Array(smallMessageBytes + maxFramePayloadBytes);

export class MessageWriter {
  private readonly session: bigint;
  private at = 0;
  private limit = smallMessageBytes;
  private into: Uint8Array = scratch;

  constructor(session: bigint) {
    this.session = session;
  }

  /** A message of at most {@link smallMessageBytes}. */
  beginSmall(maxMessageBytes: number): void {
    this.begin(Math.min(smallMessageBytes, maxMessageBytes), scratch);
  }

  /** A message as long as `into`, which it is to be written to. */
  beginIn(into: Uint8Array): void {
    this.begin(into.length, into);
  }

  private begin(limit: number, into: Uint8Array): void {
    this.at = envelopeBytes;
    this.limit = limit;
    this.into = into;
  }

  /** Whether one more frame with so much payload has room. The first always has. */
  fits(payloadBytes: number): boolean {
    return this.at === envelopeBytes || this.at + frameHeaderBytes + payloadBytes <= this.limit;
  }

  frame(type: number, stream: number, argument: number, payload: Uint8Array): void {
    writeFrameHeader(this.into, this.at, type, payload.length, stream, argument);
    this.into.set(payload, this.at + frameHeaderBytes);
    this.at += frameHeaderBytes + payload.length;
  }

  data(stream: Stream, bytes: number): void {
    this.at = stream.send.takeFrame(this.into, this.at, stream.id, bytes);
  }

  credit(stream: Stream): void {
    writeFrameHeader(this.into, this.at, frameTypes.CREDIT, 8, stream.id, stream.receive.grant());
    writeU64(this.into, this.at + frameHeaderBytes, stream.receive.received);
    this.at += frameHeaderBytes + 8;
  }

  sync(stream: Stream, flags: number): void {
    const payloadAt = this.at + frameHeaderBytes;
    writeFrameHeader(this.into, this.at, frameTypes.SYNC, 17, stream.id, stream.receive.received);
    writeU64(this.into, payloadAt, stream.receive.grant());
    writeU64(this.into, payloadAt + 8, stream.send.cursor);
    this.into[payloadAt + 16] = flags;
    this.at = payloadAt + 17;
  }

  /** The message, or undefined where nothing was written. */
  finish(): Uint8Array | undefined {
    if (this.at === envelopeBytes) return undefined;
    writeSession(this.into, this.session);
    return this.into === scratch ? scratch.slice(0, this.at) : this.into.subarray(0, this.at);
  }
}
