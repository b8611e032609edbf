// What a peer and its broker say to each other on session 0. Every control message is one frame whose
// argument is a session id or a number, with a small JSON payload where there is more to say.

import * as z from 'zod/mini';
import { controlSession, envelopeBytes, readU32, writeSession, writeU32 } from './envelope.ts';
import { FairleadError } from './errors.ts';
import { frameHeaderBytes, frameTypes, maxFramePayloadBytes } from './frame.ts';

/** Least that HELLO and BUDGET may allow, in bytes: one frame. */
const leastInFlightBytes = 65_536;

/** What the broker says first on every link. */
export const helloSchema = z.object({
  /** Broker build, for people. */
  version: z.string().check(z.maxLength(64)),
  /** Largest message the broker forwards, in bytes, envelope included. */
  maxMessageBytes: z.int().check(z.minimum(4096), z.maximum(16_777_216)),
  /** Most bytes that one session may have sent and not yet seen acknowledged, in each direction. */
  inFlightBytes: z.int().check(z.minimum(leastInFlightBytes)),
  /** True where the platform charges by the message, so that senders should pack. Default false. */
  messagesAreDear: z.optional(z.boolean()),
  /** True where bulk should go in messages as large as may be, at the price of a copy. Default `messagesAreDear`. */
  packBulk: z.optional(z.boolean()),
});
export type Hello = z.infer<typeof helloSchema>;

/** What a dial token allows, as the agent needs to know it. */
const grantsSchema = z.object({
  /** `HOST:PORT` patterns; absent means whatever the agent allows. */
  targets: z.optional(z.array(z.string().check(z.maxLength(512))).check(z.maxLength(256))),
});

/** Broker to agent: this principal, just authenticated, is on this session's link. */
export const attachSchema = z.object({
  principal: z.string().check(z.minLength(1), z.maxLength(512)),
  grants: grantsSchema,
});
export type Attach = z.infer<typeof attachSchema>;

/** Broker to dialer: the agent took the session. */
export const attachedSchema = z.object({ instance: z.string().check(z.maxLength(64)) });

/** Agent to broker in DETACH, either peer in GOAWAY: why. */
export const reasonSchema = z.object({
  code: z.string().check(z.maxLength(32)),
  reason: z.string().check(z.maxLength(256)),
});
export type Reason = z.infer<typeof reasonSchema>;

/** What BUDGET says that one session may have in flight from now on, in bytes. */
export function budgetOf(message: ControlMessage): number {
  return Math.max(leastInFlightBytes, Number(message.session));
}

/** Peer to broker in REAUTH: a newer token of the same bearer. */
export const reauthSchema = z.object({ token: z.string().check(z.minLength(1), z.maxLength(8192)) });

export interface ControlMessage {
  readonly type: number;
  /** The session that it is about, or 0. */
  readonly session: bigint;
  readonly payload: Uint8Array;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder('utf-8', { fatal: true });

/** One control message, ready to send: `argument` is a session id or, for BUDGET and PING, a number. */
export function encodeControl(type: number, argument: bigint = controlSession, body?: object): Uint8Array {
  const payload = body === undefined ? new Uint8Array() : encoder.encode(JSON.stringify(body));
  if (payload.length > maxFramePayloadBytes) throw new RangeError('a control payload over the frame limit');
  const message = new Uint8Array(envelopeBytes + frameHeaderBytes + payload.length);
  writeSession(message, controlSession);
  writeU32(message, envelopeBytes, ((type << 24) | payload.length) >>> 0);
  writeSession(message.subarray(envelopeBytes + 8), argument);
  message.set(payload, envelopeBytes + frameHeaderBytes);
  return message;
}

/**
 * The control frames of a session 0 message. Separate from the stream codec because arguments here are
 * whole 64-bit session ids.
 *
 * @throws FairleadError ERR_PROTOCOL where the message is malformed.
 */
export function decodeControl(message: Uint8Array): ControlMessage[] {
  const frames: ControlMessage[] = [];
  let at = envelopeBytes;
  while (at < message.length) {
    const start = at + frameHeaderBytes;
    if (start > message.length) throw malformed('a control header cut short');
    const head = readU32(message, at);
    const end = start + (head & 0xffffff);
    if (end > message.length || end - start > maxFramePayloadBytes)
      throw malformed('a control payload cut short');
    const session = (BigInt(readU32(message, at + 8)) << 32n) | BigInt(readU32(message, at + 12));
    frames.push({ type: head >>> 24, session, payload: message.subarray(start, end) });
    at = end;
  }
  if (frames.length === 0) throw malformed('a control message without a frame');
  return frames;
}

/** @throws FairleadError ERR_PROTOCOL where the payload is not UTF-8 JSON of the schema's shape. */
export function parsePayload<Schema extends z.ZodMiniType>(
  schema: Schema,
  payload: Uint8Array,
): z.infer<Schema> {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(payload));
  } catch (cause) {
    throw new FairleadError('ERR_PROTOCOL', 'malformed payload: not JSON', { cause });
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw malformed('a payload of the wrong shape');
  return parsed.data;
}

/** A frame type's name, for errors and logs. */
export function controlTypeName(type: number): string {
  return Object.entries(frameTypes).find(([, number]) => number === type)?.[0] ?? `type ${type}`;
}

function malformed(what: string): FairleadError {
  return new FairleadError('ERR_PROTOCOL', `malformed message: ${what}`);
}
