// Who may use a plain listener: `user:password` lines. Must never tell by its timing, its errors or its memory what a
// password is: what is kept are keyed hashes.

import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { FairleadError } from '../protocol/errors.ts';

/** Users and passwords; nothing but whether a pair is right can be asked of it. */
export interface Credentials {
  /** True where a line has both. */
  accept(user: string, password: string): boolean;
}

const mostUsers = 1_000;
const mostCharacters = 255;

/**
 * `user:password` lines; empty ones and those that begin with `#` are passed over.
 *
 * @throws FairleadError ERR_CONFIG that names the line, never what it says
 */
export function parseCredentials(text: string): Credentials {
  const key = randomBytes(32);
  const hash = (part: string): Buffer => createHmac('sha256', key).update(part).digest();
  const users: { readonly user: Buffer; readonly password: Buffer }[] = [];
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.replace(/\r$/, '');
    if (line === '' || line.startsWith('#')) continue;
    const colon = line.indexOf(':');
    const [user, password] = [line.slice(0, colon), line.slice(colon + 1)];
    // RFC 1929 has one byte for each length.
    const isUsable = (part: string): boolean => part !== '' && Buffer.byteLength(part) <= mostCharacters;
    if (colon < 1 || !isUsable(user) || !isUsable(password))
      throw new FairleadError(
        'ERR_CONFIG',
        `line ${index + 1} is not "user:password", at most 255 bytes each`,
      );
    users.push({ user: hash(user), password: hash(password) });
    if (users.length > mostUsers)
      throw new FairleadError('ERR_CONFIG', `it has more than ${mostUsers} users`);
  }
  if (users.length === 0) throw new FairleadError('ERR_CONFIG', 'it has no "user:password" line');
  return {
    accept(user, password) {
      const [userHash, passwordHash] = [hash(user), hash(password)];
      let isKnown = false;
      // All of them, always: the time taken does not say which user there is.
      for (const known of users) {
        const isUser = timingSafeEqual(known.user, userHash);
        const isPassword = timingSafeEqual(known.password, passwordHash);
        isKnown = (isUser && isPassword) || isKnown;
      }
      return isKnown;
    },
  };
}

/** RFC 7617 §2: what a `Basic` header says is accepted. */
export function acceptsBasic(credentials: Credentials, header: string | undefined): boolean {
  const encoded = /^basic +([A-Za-z0-9+/]+=*) *$/i.exec(header ?? '')?.[1];
  if (encoded === undefined) return false;
  const text = Buffer.from(encoded, 'base64').toString();
  const colon = text.indexOf(':');
  return colon > 0 && credentials.accept(text.slice(0, colon), text.slice(colon + 1));
}
