// The first eight bytes of every binary message: the session that it belongs to.
// This is all of a message that a broker reads.

/** Bytes of envelope before the first frame. */
export const envelopeBytes = 8;

/** The session between one peer and the broker itself: HELLO, ATTACH, DETACH, UNREACHABLE, BUDGET. */
export const controlSession = 0n;

/** The session id in front of a message, or undefined where the message is too short to have one. */
export function readSession(message: Uint8Array): bigint | undefined {
  if (message.length < envelopeBytes) return undefined;
  return (BigInt(readU32(message, 0)) << 32n) | BigInt(readU32(message, 4));
}

export function writeSession(message: Uint8Array, session: bigint): void {
  writeU32(message, 0, Number(session >> 32n));
  writeU32(message, 4, Number(session & 0xffffffffn));
}

/** A session id as it is written in URLs and logs: 16 lower-case hexadecimal digits. */
export function formatSession(session: bigint): string {
  return session.toString(16).padStart(16, '0');
}

/** The session id in `text`, or undefined where it is not 16 hexadecimal digits or is session 0. */
export function parseSession(text: string): bigint | undefined {
  if (!/^[0-9a-f]{16}$/.test(text)) return undefined;
  const session = BigInt(`0x${text}`);
  return session === controlSession ? undefined : session;
}

export function readU32(bytes: Uint8Array, at: number): number {
  return (
    (((bytes[at] as number) << 24) |
      ((bytes[at + 1] as number) << 16) |
      ((bytes[at + 2] as number) << 8) |
      (bytes[at + 3] as number)) >>>
    0
  );
}

export function writeU32(bytes: Uint8Array, at: number, value: number): void {
  bytes[at] = value >>> 24;
  bytes[at + 1] = value >>> 16;
  bytes[at + 2] = value >>> 8;
  bytes[at + 3] = value;
}
