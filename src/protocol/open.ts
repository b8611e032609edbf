// What OPEN and ACCEPT say in their payloads: the target asked for, the address that was reached.

import * as z from 'zod/mini';
import { parsePayload } from './control.ts';
import { type DialMark, markFields } from './dial-mark.ts';

/** What a dialer asks its agent for. */
export interface OpenRequest extends DialMark {
  /** Name or address, resolved at the agent; 1 to 255 characters. */
  readonly host: string;
  /** 1 to 65,535. */
  readonly port: number;
}

/** A stream whose target is named inside it, encrypted from dialer to agent: nobody between learns it. */
export interface SealedRequest {
  /** Version of what is inside; this is version 1. */
  readonly e2e: number;
}

/** What the agent's side took of a dial, in whole microseconds, by the agent's own clock. */
export interface DialTiming {
  /** From the arrival of OPEN to ACCEPT, without what the target took. */
  readonly agentUs: number;
  /** Resolution and connect. */
  readonly targetUs: number;
}

/** The address that the agent connected to. */
export interface RemoteAddress {
  readonly address: string;
  readonly port: number;
  readonly family: 'IPv4' | 'IPv6';
  /** Agents of before do not say. */
  readonly timing?: DialTiming | undefined;
}

/** Ten minutes: no dial that anybody waits for takes as long. */
const longestUs = 600_000_000;

const port = z.int().check(z.minimum(1), z.maximum(65_535));
const host = z.string().check(z.minLength(1), z.maxLength(255));
// One or the other: who names the target outside has nothing to hide it for.
const openSchema = z.union([
  z.object({ host, port, e2e: z.optional(z.never()), ...markFields }),
  z.strictObject({ e2e: z.int().check(z.minimum(1), z.maximum(255)) }),
]);
const duration = z.int().check(z.minimum(0), z.maximum(longestUs));
const acceptSchema = z.object({
  address: z.string().check(z.maxLength(255)),
  port: z.int().check(z.minimum(0), z.maximum(65_535)),
  family: z.enum(['IPv4', 'IPv6']),
  timing: z.optional(z.object({ agentUs: duration, targetUs: duration })),
});

/** A time as {@link DialTiming} has it. */
export function microseconds(ms: number): number {
  return Math.min(Math.max(0, Math.round(ms * 1000)), longestUs);
}

const encoder = new TextEncoder();

export function encodeJson(value: object): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

/** @throws FairleadError ERR_PROTOCOL */
export function decodeOpen(payload: Uint8Array): OpenRequest | SealedRequest {
  return parsePayload(openSchema, payload);
}

/** @throws FairleadError ERR_PROTOCOL */
export function decodeAccept(payload: Uint8Array): RemoteAddress {
  return parsePayload(acceptSchema, payload);
}

/** `reason` as UTF-8, cut to `maxBytes` without splitting a character. */
export function encodeReason(reason: string, maxBytes: number): Uint8Array {
  const room = new Uint8Array(maxBytes);
  return room.subarray(0, encoder.encodeInto(reason, room).written);
}

const lenient = new TextDecoder();

/** A peer's reason, for messages and logs: control characters are blanked, so that it cannot forge a line. */
export function decodeReason(payload: Uint8Array, maxBytes: number): string {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is to be taken out
  return lenient.decode(payload.subarray(0, maxBytes)).replace(/[\u0000-\u001f\u007f-\u009f]/g, ' ');
}
