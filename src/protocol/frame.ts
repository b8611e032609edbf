// Frames: one 16-byte header and a payload, one or more to a message after the envelope.
// The codec knows layout only; what a frame means is the session's business.

import { envelopeBytes, readU32, writeU32 } from './envelope.ts';
import { FairleadError } from './errors.ts';

/** Frame types (docs/protocol.md, "Frames"). From 32 on they travel on session 0 only. */
export const frameTypes = {
  OPEN: 1,
  ACCEPT: 2,
  DATA: 3,
  FIN: 4,
  CREDIT: 5,
  RESET: 6,
  SYNC: 7,
  PING: 8,
  PONG: 9,
  GOAWAY: 10,
  HELLO: 32,
  ATTACH: 33,
  DETACH: 34,
  UNREACHABLE: 35,
  BUDGET: 36,
  REAUTH: 37,
  STATUS: 38,
} as const;

export const frameHeaderBytes = 16;

/** Most bytes of payload in one frame. */
export const maxFramePayloadBytes = 65_536;

/**
 * Bytes of payload in a frame of bulk: so many that its message, with what WebSocket or NATS puts around it, fits into the
 * 64 KiB that libuv and nats-server read at once. What is a little longer than a read costs a second one, and a copy.
 */
export const bulkPayloadBytes = 65_024;

/** Bytes before the payload of a message's first frame: a segment keeps them free so that it is sent as it is. */
export const headroomBytes = envelopeBytes + frameHeaderBytes;

/**
 * One decoded frame. The decoder reuses a single instance, so take what you need before the next frame;
 * `payload` is a view of the message and lives as long as the message does.
 */
export interface Frame {
  type: number;
  stream: number;
  /** Offset, limit or argument, by type: 0 to 2^53 − 1. */
  argument: number;
  payload: Uint8Array;
}

export function writeFrameHeader(
  into: Uint8Array,
  at: number,
  type: number,
  payloadBytes: number,
  stream: number,
  argument: number,
): void {
  writeU32(into, at, ((type << 24) | payloadBytes) >>> 0);
  writeU32(into, at + 4, stream);
  writeU64(into, at + 8, argument);
}

/**
 * Calls `visit` for every frame of a message, in order. Payloads of unknown types are handed over like any
 * other, so that the caller can skip them: that is how v1 grows.
 *
 * @throws FairleadError ERR_PROTOCOL where a header or payload is cut short, a payload is longer than
 *   {@link maxFramePayloadBytes}, or a 64-bit field is over 2^53 − 1. Frames before the fault were visited.
 */
export function decodeFrames(message: Uint8Array, visit: (frame: Frame) => void): void {
  let at = envelopeBytes;
  const frame: Frame = { type: 0, stream: 0, argument: 0, payload: message };
  if (message.length <= at) throw malformed('a message without a frame');
  while (at < message.length) {
    if (message.length - at < frameHeaderBytes) throw malformed('a frame header cut short');
    const head = readU32(message, at);
    const payloadBytes = head & 0xffffff;
    if (payloadBytes > maxFramePayloadBytes) throw malformed('a payload over the frame limit');
    const start = at + frameHeaderBytes;
    const end = start + payloadBytes;
    if (end > message.length) throw malformed('a payload cut short');
    frame.type = head >>> 24;
    frame.stream = readU32(message, at + 4);
    frame.argument = readU64(message, at + 8);
    frame.payload = message.subarray(start, end);
    at = end;
    visit(frame);
  }
}

/** @throws FairleadError ERR_PROTOCOL over 2^53 − 1, where a double would no longer be exact. */
export function readU64(bytes: Uint8Array, at: number): number {
  const high = readU32(bytes, at);
  if (high > 0x1fffff) throw malformed('a 64-bit field over 2^53 - 1');
  return high * 0x1_0000_0000 + readU32(bytes, at + 4);
}

export function writeU64(bytes: Uint8Array, at: number, value: number): void {
  writeU32(bytes, at, Math.floor(value / 0x1_0000_0000));
  writeU32(bytes, at + 4, value >>> 0);
}

function malformed(what: string): FairleadError {
  return new FairleadError('ERR_PROTOCOL', `malformed message: ${what}`);
}
