// Puts several small frames into one message. The message is a copy of its own, so that the writer can be
// used again at once.

import { envelopeBytes, writeSession } from './envelope.ts';
import { frameHeaderBytes, frameTypes, maxFramePayloadBytes, writeFrameHeader, writeU64 } from './frame.ts';
import type { Stream } from './stream.ts';

/** Small messages stay small, so that bulk gets its turn and one loss costs little. */
export const smallMessageBytes = 16_384;

/** All writers of a process share one scratch area: a message is finished before the next begins. */
let scratch = new Uint8Array(smallMessageBytes + maxFramePayloadBytes);

export class MessageWriter {
  private readonly session: bigint;
  private at = 0;
  private limit = smallMessageBytes;

  constructor(session: bigint) {
    this.session = session;
  }

  begin(maxMessageBytes: number): void {
    this.at = envelopeBytes;
    this.limit = maxMessageBytes;
    if (maxMessageBytes > scratch.length) scratch = new Uint8Array(maxMessageBytes);
  }

  /** Whether one more frame with so much payload has room. The first always has. */
  fits(payloadBytes: number): boolean {
    return this.at === envelopeBytes || this.at + frameHeaderBytes + payloadBytes <= this.limit;
  }

  frame(type: number, stream: number, argument: number, payload: Uint8Array): void {
    writeFrameHeader(scratch, this.at, type, payload.length, stream, argument);
    scratch.set(payload, this.at + frameHeaderBytes);
    this.at += frameHeaderBytes + payload.length;
  }

  data(stream: Stream, bytes: number): void {
    this.at = stream.send.takeFrame(scratch, this.at, stream.id, bytes);
  }

  credit(stream: Stream): void {
    writeFrameHeader(scratch, this.at, frameTypes.CREDIT, 8, stream.id, stream.receive.grant());
    writeU64(scratch, this.at + frameHeaderBytes, stream.receive.received);
    this.at += frameHeaderBytes + 8;
  }

  sync(stream: Stream, flags: number): void {
    const payloadAt = this.at + frameHeaderBytes;
    writeFrameHeader(scratch, this.at, frameTypes.SYNC, 17, stream.id, stream.receive.received);
    writeU64(scratch, payloadAt, stream.receive.grant());
    writeU64(scratch, payloadAt + 8, stream.send.sent);
    scratch[payloadAt + 16] = flags;
    this.at = payloadAt + 17;
  }

  /** The message, or undefined where nothing was written. */
  finish(): Uint8Array | undefined {
    if (this.at === envelopeBytes) return undefined;
    writeSession(scratch, this.session);
    return scratch.slice(0, this.at);
  }
}
