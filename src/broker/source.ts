// Where a connection or a request comes from, as limits count it. A header is believed only from proxies that the
// operator named, and then only what those appended: a client can write any header it likes.

import type { IncomingHttpHeaders } from 'node:http';
import ipaddr from 'ipaddr.js';
import { FairleadError } from '../protocol/errors.ts';

export const proxyHeaders = ['x-forwarded-for', 'forwarded'] as const;
export type ProxyHeader = (typeof proxyHeaders)[number];

export interface ProxyTrust {
  /** Addresses and CIDRs of load balancers. */
  readonly proxies: readonly string[];
  /** Which header they append to. One: the other would be the client's own. */
  readonly header: ProxyHeader;
}

type Address = ipaddr.IPv4 | ipaddr.IPv6;

/** Hops of a header that are looked at, from the last one back. */
const maxHops = 16;

/** The IPv4 address, or the /64 of an IPv6 address: what one subscriber is given. */
export function sourceOf(address: string): string {
  const parsed = parse(address);
  if (parsed === undefined) return 'unknown';
  if (parsed.kind() === 'ipv4') return parsed.toString();
  return `${(parsed as ipaddr.IPv6).parts
    .slice(0, 4)
    .map((part) => part.toString(16))
    .join(':')}::/64`;
}

export class Sources {
  readonly #trusted: readonly [Address, number][];
  readonly #header: ProxyHeader;

  /** @throws FairleadError ERR_CONFIG for a proxy that is neither an address nor a CIDR */
  constructor({ proxies, header }: ProxyTrust) {
    this.#trusted = proxies.map(parseRange);
    this.#header = header;
  }

  isProxy(address: string): boolean {
    const parsed = parse(address);
    if (parsed === undefined) return false;
    return this.#trusted.some(
      ([range, bits]) => range.kind() === parsed.kind() && parsed.match(range as never, bits),
    );
  }

  /** Who sent the request, as limits count it. */
  ofRequest(peer: string, headers: IncomingHttpHeaders): string {
    return sourceOf(this.addressOf(peer, headers));
  }

  /** Who sent the request: the peer, or the last hop that a trusted proxy vouches for and that is none itself. */
  addressOf(peer: string, headers: IncomingHttpHeaders): string {
    if (!this.isProxy(peer)) return plain(peer);
    let last = peer;
    for (const hop of this.#hops(headers)) {
      if (parse(hop) === undefined) break;
      last = hop;
      if (!this.isProxy(hop)) break;
    }
    return plain(last);
  }

  /** The addresses in the header, the last first. */
  #hops(headers: IncomingHttpHeaders): string[] {
    const value = headers[this.#header];
    const text = Array.isArray(value) ? value.join(',') : (value ?? '');
    return text
      .split(',')
      .slice(-maxHops)
      .reverse()
      .map((element) => withoutPort(this.#header === 'forwarded' ? forOf(element) : element.trim()));
  }
}

function plain(address: string): string {
  return parse(address)?.toString() ?? 'unknown';
}

/** RFC 7239 §4: the parameter `for` of one element. */
function forOf(element: string): string {
  return /(?:^|;)\s*for\s*=\s*"?([^";]*)"?/i.exec(element)?.[1]?.trim() ?? '';
}

function withoutPort(hop: string): string {
  const bracketed = /^\[([^\]]*)\](?::\d+)?$/.exec(hop)?.[1];
  return bracketed ?? hop.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, '$1');
}

/** IPv4 in IPv6 clothes is IPv4. */
function parse(address: string): Address | undefined {
  // Four decimal parts or IPv6: other ways to write an address are nobody's but a trickster's.
  const isKnown = ipaddr.IPv4.isValidFourPartDecimal(address) || ipaddr.IPv6.isValid(address);
  return isKnown ? ipaddr.process(address) : undefined;
}

/** An address, or a CIDR. @throws FairleadError ERR_CONFIG */
export function parseRange(text: string): [Address, number] {
  const [address = '', bits, ...rest] = text.split('/');
  const parsed = parse(address);
  const most = parsed?.kind() === 'ipv4' ? 32 : 128;
  const length = bits === undefined ? most : /^\d{1,3}$/.test(bits) ? Number(bits) : Number.NaN;
  if (parsed === undefined || !(length <= most) || rest.length > 0)
    throw new FairleadError('ERR_CONFIG', `"${text}" is not an address or a CIDR, such as "10.0.0.0/8"`);
  return [parsed, length];
}
