// Who may see what is there for people at this very machine: whoever asks from loopback, in loopback's name, and not
// for anybody else.

import type { IncomingMessage } from 'node:http';
import ipaddr from 'ipaddr.js';
import { isLoopback } from './loopback.ts';

/** Headers by which a proxy says that somebody else asks. */
const proxyMarks = ['forwarded', 'x-forwarded-for', 'x-forwarded-host', 'x-real-ip', 'via'] as const;

/** True for whoever asks from this machine, and not through a proxy on it, which would ask for anybody. */
export function asksFromLoopback({ socket, headers }: IncomingMessage): boolean {
  const { remoteAddress = '' } = socket;
  if (!ipaddr.isValid(remoteAddress) || ipaddr.process(remoteAddress).range() !== 'loopback') return false;
  return proxyMarks.every((name) => headers[name] === undefined);
}

/**
 * The same, where a browser may be who asks: not for a page of another site, nor under a name of another site that was
 * made to mean this machine (DNS rebinding).
 */
export function asksLocally(request: IncomingMessage): boolean {
  if (!asksFromLoopback(request)) return false;
  const { host = '', 'sec-fetch-site': site = 'none' } = request.headers;
  if (site !== 'none' && site !== 'same-origin') return false;
  const authority = `http://${host}`;
  return URL.canParse(authority) && isLoopback(new URL(authority).hostname);
}
