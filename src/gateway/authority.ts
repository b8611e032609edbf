// `HOST:PORT` as a request target or a SOCKS request has it. Must take an IPv6 address in brackets only.

import { isIPv6 } from 'node:net';
import { isHost } from '../link/host.ts';
import { FairleadError } from '../protocol/errors.ts';

/** @throws FairleadError ERR_CONFIG that says what is wrong */
export function parseAuthority(text: string): { host: string; port: number } {
  const [, bracketed, name, digits] = /^(?:\[([^[\]]*)\]|([^:[\]]*))(?::(\d*))?$/.exec(text) ?? [];
  const host = bracketed ?? name;
  if (host === undefined || host === '') throw malformed(`"${text.slice(0, 80)}" is not HOST:PORT`);
  if (bracketed !== undefined && (!isIPv6(bracketed) || bracketed.includes('%')))
    throw malformed(`"${bracketed.slice(0, 80)}" is not an IPv6 address`);
  if (bracketed === undefined) checkHost(host);
  if (digits === undefined || digits === '')
    throw malformed(`"${text.slice(0, 80)}" has no port: write HOST:PORT`);
  return { host, port: parsePort(digits) };
}

/** @throws FairleadError ERR_CONFIG where it is neither a host name nor an IPv4 address */
export function checkHost(host: string): void {
  if (!isHost(host)) throw malformed(`"${host.slice(0, 80)}" is neither a host name nor an address`);
}

function parsePort(digits: string): number {
  const port = /^\d{1,5}$/.test(digits) ? Number(digits) : Number.NaN;
  if (!(port >= 1 && port <= 65_535))
    throw malformed(`"${digits.slice(0, 20)}" is not a port from 1 to 65535`);
  return port;
}

function malformed(message: string): FairleadError {
  return new FairleadError('ERR_CONFIG', message);
}
