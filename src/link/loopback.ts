// What stays on this machine, and so may go unencrypted.

import { isIP } from 'node:net';

/** True for `localhost`, 127.0.0.0/8 and `::1`, in brackets or not. */
export function isLoopback(hostname: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '');
  return host === 'localhost' || host === '::1' || (isIP(host) === 4 && host.startsWith('127.'));
}
