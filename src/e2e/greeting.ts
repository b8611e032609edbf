// The first words of both ends inside the encryption: the target that is wanted, and what became of it. Each is two
// bytes of length and so much JSON; all that follows is the stream's own bytes.

import * as z from 'zod/mini';
import { parsePayload } from '../protocol/control.ts';
import { markFields } from '../protocol/dial-mark.ts';
import { FairleadError, type WireCode, wireCodes } from '../protocol/errors.ts';
import { maxReasonBytes } from '../protocol/limits.ts';
import {
  decodeAccept,
  decodeReason,
  encodeJson,
  encodeReason,
  type OpenRequest,
  type RemoteAddress,
} from '../protocol/open.ts';

/** Longest JSON, in bytes. Part of the protocol. */
const maxGreetingBytes = 2048;

/** What a dialer asks for inside. */
export interface SealedTarget extends OpenRequest {
  /** The node that the dialer means, so that a broker cannot lead it to another one with the same key. */
  readonly node: string;
}

const requestSchema = z.object({
  node: z.string().check(z.minLength(1), z.maxLength(253)),
  host: z.string().check(z.minLength(1), z.maxLength(255)),
  port: z.int().check(z.minimum(1), z.maximum(65_535)),
  ...markFields,
});

const refusalSchema = z.object({
  code: z.string().check(z.maxLength(64)),
  reason: z.string().check(z.maxLength(1024)),
});

export function encodeGreeting(value: object): Buffer {
  const body = encodeJson(value);
  if (body.length > maxGreetingBytes) throw new RangeError('a greeting over its limit');
  const greeting = Buffer.allocUnsafe(2 + body.length);
  greeting.writeUInt16BE(body.length);
  greeting.set(body, 2);
  return greeting;
}

export function encodeRefusal(code: WireCode, reason: string): Buffer {
  return encodeGreeting({ code, reason: decodeReason(encodeReason(reason, maxReasonBytes), maxReasonBytes) });
}

/** @throws FairleadError ERR_PROTOCOL */
export function decodeRequest(body: Uint8Array): SealedTarget {
  return parsePayload(requestSchema, body);
}

/** Where the agent is connected. @throws FairleadError the agent's own, or ERR_PROTOCOL where it says neither */
export function decodeAnswer(body: Uint8Array): RemoteAddress {
  const refusal = refusalSchema.safeParse(jsonOf(body));
  if (!refusal.success) return decodeAccept(body);
  const { code } = refusal.data;
  const reason = decodeReason(encodeReason(refusal.data.reason, maxReasonBytes), maxReasonBytes);
  throw new FairleadError(Object.hasOwn(wireCodes, code) ? (code as WireCode) : 'ERR_TARGET_FAILED', reason);
}

function jsonOf(body: Uint8Array): unknown {
  try {
    return JSON.parse(Buffer.from(body).toString());
  } catch {
    return undefined;
  }
}

/** Gathers one greeting out of chunks of any size. */
export class GreetingReader {
  private bytes = Buffer.alloc(0);

  /** The JSON, and what came behind it; undefined while it is not whole. @throws FairleadError ERR_PROTOCOL */
  push(chunk: Uint8Array): { readonly body: Buffer; readonly rest: Buffer } | undefined {
    this.bytes = Buffer.concat([this.bytes, chunk]);
    if (this.bytes.length < 2) return undefined;
    const length = this.bytes.readUInt16BE();
    if (length > maxGreetingBytes) {
      throw new FairleadError(
        'ERR_PROTOCOL',
        `first words of ${length} bytes: ${maxGreetingBytes} are allowed`,
      );
    }
    if (this.bytes.length < 2 + length) return undefined;
    return { body: this.bytes.subarray(2, 2 + length), rest: this.bytes.subarray(2 + length) };
  }
}
