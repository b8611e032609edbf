// What a node's owner lets dialers reach. The list is the last word at the agent: nothing is reachable that it
// does not name. Rules match names as asked for and addresses as resolved, never what a broker says.

import ipaddr from 'ipaddr.js';
import { FairleadError } from '../protocol/errors.ts';
import { fitsSocketRule, isSocketHost, parseSocketRule, type SocketRule } from './socket-rule.ts';

type Address = ipaddr.IPv4 | ipaddr.IPv6;
type Range = [Address, number];

interface Rule {
  readonly text: string;
  /** `*`, an exact name, a `*.suffix`, or a range of addresses. */
  readonly host:
    | { readonly any: true }
    | { readonly name: string }
    | { readonly suffix: string }
    | { readonly range: Range };
  readonly firstPort: number;
  readonly lastPort: number;
}

/**
 * Ranges that only an explicit rule opens: cloud metadata lives there (RFC 3927 link-local, the IPv6 and
 * Alibaba equivalents), or an address that means something else than a host.
 */
const guarded: readonly Range[] = [
  '169.254.0.0/16',
  'fe80::/10',
  'fd00:ec2::254/128',
  '100.100.100.200/32',
  '0.0.0.0/8',
  '::/128',
  '224.0.0.0/4',
  'ff00::/8',
  '255.255.255.255/32',
].map((text) => ipaddr.parseCIDR(text));

export class AllowList {
  private readonly rules: readonly Rule[];
  private readonly sockets: readonly SocketRule[];

  /**
   * Each text is `HOST:PORT`, `CIDR:PORT`, `[IPV6]:PORT` or `[IPV6/BITS]:PORT`; a host may be `*` or `*.suffix`,
   * a port a number, `FIRST-LAST` or `*`. Or `unix:/PATH`, where a `*` at the end stands for any name in that directory.
   *
   * @throws FairleadError ERR_CONFIG naming the text and what is wrong with it
   */
  constructor(texts: readonly string[]) {
    this.rules = texts.filter((text) => !isSocketHost(text)).map(parseRule);
    this.sockets = texts.filter(isSocketHost).map(parseSocketRule);
  }

  /** Whether a rule names the UNIX socket at `path`, which is absolute and normal. No rule for hosts does, `*` neither. */
  allowsSocket(path: string): boolean {
    return this.sockets.some((rule) => fitsSocketRule(rule, path));
  }

  /** Whether the name or address, as it was asked for, is named by a rule. Says nothing about where it leads. */
  allowsName(host: string, port: number): boolean {
    const name = normalName(host);
    return this.rules.some((rule) => hasPort(rule, port) && matchesName(rule, name));
  }

  /**
   * Whether a connection to `address`, which `host` was resolved to, is allowed. A rule for the name allows any
   * ordinary address; the guarded ranges need a rule of their own.
   */
  allowsAddress(host: string, address: string, port: number): boolean {
    const parsed = parseAddress(address);
    if (parsed === undefined) return false;
    const byAddress = this.rules.filter((rule) => hasPort(rule, port) && matchesAddress(rule, parsed));
    if (guarded.some((range) => within(parsed, range))) {
      return byAddress.some((rule) => 'range' in rule.host && isNarrow(rule.host.range));
    }
    return byAddress.length > 0 || this.allowsName(host, port);
  }

  /** Whether resolving `host` could lead to anything allowed: false spares the look-up. */
  mayAllow(host: string, port: number): boolean {
    return this.rules.some(
      (rule) =>
        hasPort(rule, port) &&
        (matchesName(rule, normalName(host)) || 'any' in rule.host || 'range' in rule.host),
    );
  }
}

function parseRule(text: string): Rule {
  const colon = text.lastIndexOf(':');
  if (colon <= 0) throw wrong(text, 'it has no port: write HOST:PORT, or HOST:* for all ports');
  const [firstPort, lastPort] = parsePorts(text, text.slice(colon + 1));
  return { text, host: parseHost(text, text.slice(0, colon)), firstPort, lastPort };
}

function parsePorts(text: string, ports: string): [number, number] {
  if (ports === '*') return [1, 65_535];
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(ports);
  const first = Number(match?.[1]);
  const last = Number(match?.[2] ?? match?.[1]);
  if (match === null || first < 1 || last > 65_535)
    throw wrong(text, 'its port is not 1 to 65535, a range or *');
  if (first > last) throw wrong(text, 'its port range runs backwards');
  return [first, last];
}

function parseHost(text: string, host: string): Rule['host'] {
  if (host === '*') return { any: true };
  const bracketed = /^\[(.*)\]$/.exec(host)?.[1];
  if (bracketed === undefined && host.includes(':')) throw wrong(text, 'an IPv6 address goes in brackets');
  const inner = bracketed ?? host;
  if (inner.includes('/')) {
    const bits = inner.slice(inner.indexOf('/') + 1);
    if (
      !/^\d{1,3}$/.test(bits) ||
      parseAddress(inner.slice(0, inner.indexOf('/'))) === undefined ||
      !ipaddr.isValidCIDR(inner)
    ) {
      throw wrong(text, 'its address range is malformed: write 10.0.0.0/8 or [fd00::/8]');
    }
    return { range: ipaddr.parseCIDR(inner) };
  }
  const address = parseAddress(inner);
  if (address !== undefined) return { range: [address, address.kind() === 'ipv4' ? 32 : 128] };
  if (bracketed !== undefined) throw wrong(text, 'what is in the brackets is not an IPv6 address');
  const name = normalName(inner);
  if (name.startsWith('*.') && isName(name.slice(2))) return { suffix: name.slice(1) };
  if (!isName(name)) throw wrong(text, 'its host is neither a name, an address nor *');
  return { name };
}

function isName(name: string): boolean {
  // All digits and dots would be an address that was mistyped.
  return (
    /^[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?(\.[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?)*$/.test(name) &&
    !/^[0-9.]+$/.test(name)
  );
}

/** Lower case, without the final dot of a fully qualified name, without an IPv6 address's brackets. */
export function normalName(host: string): string {
  return host
    .toLowerCase()
    .replace(/\.$/, '')
    .replace(/^\[(.*)\]$/, '$1');
}

/** Strictly: neither `127.1` nor octal nor zone ids, so that nobody here reads an address otherwise than the kernel. */
function parseAddress(text: string): Address | undefined {
  if (ipaddr.IPv4.isValidFourPartDecimal(text)) return ipaddr.IPv4.parse(text);
  if (!text.includes(':') || text.includes('%') || !ipaddr.IPv6.isValid(text)) return undefined;
  const address = ipaddr.IPv6.parse(text);
  return address.isIPv4MappedAddress() ? address.toIPv4Address() : address;
}

function matchesName(rule: Rule, name: string): boolean {
  if ('name' in rule.host) return rule.host.name === name;
  if ('suffix' in rule.host) return name.endsWith(rule.host.suffix) && name.length > rule.host.suffix.length;
  return false;
}

function matchesAddress(rule: Rule, address: Address): boolean {
  return 'any' in rule.host || ('range' in rule.host && within(address, rule.host.range));
}

function hasPort(rule: Rule, port: number): boolean {
  return port >= rule.firstPort && port <= rule.lastPort;
}

function within(address: Address, [network, bits]: Range): boolean {
  if (address.kind() === 'ipv4' && network.kind() === 'ipv4')
    return (address as ipaddr.IPv4).match(network as ipaddr.IPv4, bits);
  if (address.kind() === 'ipv6' && network.kind() === 'ipv6')
    return (address as ipaddr.IPv6).match(network as ipaddr.IPv6, bits);
  return false;
}

/** A rule for all of the Internet does not name the metadata service; one that lies inside a guarded range does. */
function isNarrow([network, bits]: Range): boolean {
  return guarded.some((range) => bits >= range[1] && within(network, range));
}

function wrong(text: string, why: string): FairleadError {
  return new FairleadError('ERR_CONFIG', `"${text.slice(0, 100)}" is no rule for a target: ${why}`);
}
