// Routes: what an agent's token lets it claim to reach. Names and addresses are put into one form here, so that
// two spellings of one place are never two routes.

import ipaddr from 'ipaddr.js';
import * as z from 'zod';

const name = /^[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?)*$/;

/** A host name, an address, a CIDR, or `default` for what no other route is for; parsed into its one form. */
export const routeSchema = z
  .string()
  .max(253)
  .transform((text, context) => {
    const route = normalRoute(text);
    if (route !== undefined) return route;
    context.addIssue('a route is a host name, an address, a CIDR such as 10.0.0.0/8, or "default"');
    return z.NEVER;
  });

export const routesSchema = z.array(routeSchema).max(256);

/** True where an agent whose token has the routes `granted` may claim `route`, both as {@link routeSchema} gives them. */
export function grantsRoute(granted: readonly string[], route: string): boolean {
  if (granted.includes(route)) return true;
  const wanted = parseRange(route);
  if (wanted === undefined) return false;
  return granted.some((text) => {
    const range = parseRange(text);
    return range !== undefined && contains(range, wanted);
  });
}

/** True where `route` is for `host`, both as {@link normalRoute} gives them. */
export function servesHost(route: string, host: string): boolean {
  return route === host || route === 'default' || prefixBits(route, host) !== undefined;
}

/** How many bits of an address the CIDR `route` fixes, if it holds `address`; both as {@link normalRoute} gives them. */
export function prefixBits(route: string, address: string): number | undefined {
  const [range, wanted] = [parseRange(route), parseRange(address)];
  return range !== undefined && wanted !== undefined && contains(range, wanted) ? range[1] : undefined;
}

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** The one form of a route; undefined where it is none. */
export function normalRoute(text: string): string | undefined {
  const range = parseRange(text);
  if (range !== undefined) {
    const [address, bits] = range;
    const isHost = bits === fullBits(address);
    return isHost ? address.toString() : `${networkOf(address, bits)}/${bits}`;
  }
  const lower = text.toLowerCase().replace(/\.$/, '');
  // All digits and dots would be an address that was mistyped.
  return name.test(lower) && !/^[0-9.]+$/.test(lower) ? lower : undefined;
}

/** Strictly: neither `127.1` nor octal nor zone ids. A single address is a range of one. */
function parseRange(text: string): Range | undefined {
  const [host = '', bits, ...rest] = text.split('/');
  if (rest.length > 0 || (bits !== undefined && !/^\d{1,3}$/.test(bits))) return undefined;
  let address: ipaddr.IPv4 | ipaddr.IPv6;
  if (ipaddr.IPv4.isValidFourPartDecimal(host)) address = ipaddr.IPv4.parse(host);
  else if (host.includes(':') && !host.includes('%') && ipaddr.IPv6.isValid(host))
    address = ipaddr.IPv6.parse(host);
  else return undefined;
  const length = bits === undefined ? fullBits(address) : Number(bits);
  if (length > fullBits(address)) return undefined;
  // RFC 4291 §2.5.5.2: an IPv4 address in the clothes of IPv6.
  if (address instanceof ipaddr.IPv6 && address.isIPv4MappedAddress() && length >= 96)
    return [address.toIPv4Address(), length - 96];
  return [address, length];
}

function fullBits(address: ipaddr.IPv4 | ipaddr.IPv6): number {
  return address.kind() === 'ipv4' ? 32 : 128;
}

function networkOf(address: ipaddr.IPv4 | ipaddr.IPv6, bits: number): string {
  const kind = address.kind() === 'ipv4' ? ipaddr.IPv4 : ipaddr.IPv6;
  return kind.networkAddressFromCIDR(`${address}/${bits}`).toString();
}

function contains([network, bits]: Range, [address, addressBits]: Range): boolean {
  if (network.kind() !== address.kind() || addressBits < bits) return false;
  return networkOf(address, bits) === networkOf(network, bits);
}
