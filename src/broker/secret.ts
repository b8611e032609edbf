// The shared secret that tokens are signed with. It is never logged, nor part of a message.

import { FairleadError } from '../protocol/errors.ts';

/** RFC 7518 §3.2: an HS256 key is at least as long as the hash. */
const minSecretBytes = 32;

/**
 * The secret in a file's contents, without the newline that editors and `echo` leave at the end.
 *
 * @throws FairleadError ERR_CONFIG where it is too short to sign with.
 */
export function parseSecret(contents: string | Uint8Array): Uint8Array {
  const bytes = typeof contents === 'string' ? new TextEncoder().encode(contents) : contents;
  let end = bytes.length;
  if (bytes[end - 1] === 0x0a) end -= bytes[end - 2] === 0x0d ? 2 : 1;
  if (end < minSecretBytes)
    throw new FairleadError(
      'ERR_CONFIG',
      `the secret has ${end} bytes and needs at least ${minSecretBytes}: make one with "head -c 32 /dev/urandom | base64"`,
    );
  return bytes.slice(0, end);
}
