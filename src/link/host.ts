// What may be written where a host is asked for, everywhere the same. Resolves nothing.

import { isIP } from 'node:net';

/** Whether it is an address, or a name that some resolver may know. IPv6 comes without its brackets. */
export function isHost(text: string): boolean {
  if (isIP(text) !== 0) return true;
  const isName = text.length <= 253 && /^[a-z0-9_]([a-z0-9._-]*[a-z0-9_.])?$/i.test(text);
  // All digits and dots is an address or a mistake, never a name.
  return isName && !/^[\d.]+$/.test(text);
}
