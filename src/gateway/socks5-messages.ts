// The messages of SOCKS5 (RFC 1928) and of its user/password sub-negotiation (RFC 1929), as pure functions over the
// bytes that have come so far. They read nothing beyond their message, and never wait: they ask for more.

import ipaddr from 'ipaddr.js';
import { FairleadError } from '../protocol/errors.ts';
import { checkHost } from './authority.ts';
import { socksReplies } from './outcome.ts';

export type Parsed<T> =
  /** The message is not whole yet. */
  | { readonly kind: 'more' }
  | { readonly kind: 'message'; readonly value: T; readonly bytes: number }
  /** It can be none of these messages, whatever follows; `reply` is what a request is answered with. */
  | { readonly kind: 'malformed'; readonly reply: number; readonly why: string };

export interface SocksTarget {
  readonly host: string;
  readonly port: number;
}

export const socksMethods = { none: 0x00, password: 0x02, noneAcceptable: 0xff } as const;

const more = { kind: 'more' } as const;

function malformed(why: string, reply: number = socksReplies.generalFailure) {
  return { kind: 'malformed', reply, why } as const;
}

/** VER NMETHODS METHODS: the methods that the client knows. */
export function readGreeting(bytes: Uint8Array): Parsed<ReadonlySet<number>> {
  const [version, count] = bytes;
  if (version !== undefined && version !== 5) return malformed(`SOCKS version ${version}, not 5`);
  if (count === undefined) return more;
  if (count === 0) return malformed('a greeting without a method');
  const end = 2 + count;
  if (bytes.length < end) return more;
  return { kind: 'message', value: new Set(bytes.subarray(2, end)), bytes: end };
}

/** VER ULEN UNAME PLEN PASSWD. An empty password is one that nobody has. */
export function readCredentials(bytes: Uint8Array): Parsed<{ user: string; password: string }> {
  const [version, userBytes] = bytes;
  if (version !== undefined && version !== 1) return malformed(`sub-negotiation version ${version}, not 1`);
  if (userBytes === undefined) return more;
  const passwordBytes = bytes[2 + userBytes];
  if (passwordBytes === undefined) return more;
  const from = 3 + userBytes;
  const end = from + passwordBytes;
  if (bytes.length < end) return more;
  const text = (part: Uint8Array): string => Buffer.from(part).toString();
  return {
    kind: 'message',
    value: { user: text(bytes.subarray(2, 2 + userBytes)), password: text(bytes.subarray(from, end)) },
    bytes: end,
  };
}

/** VER CMD RSV ATYP DST.ADDR DST.PORT: where a CONNECT leads. Names are left to the agent to resolve. */
export function readRequest(bytes: Uint8Array): Parsed<SocksTarget> {
  const [version, command, reserved, addressType, nameBytes] = bytes;
  if (version !== undefined && version !== 5) return malformed(`SOCKS version ${version}, not 5`);
  if (command !== undefined && command !== 1)
    return malformed(`command ${command}, not CONNECT`, socksReplies.commandNotSupported);
  if (reserved !== undefined && reserved !== 0) return malformed('a reserved byte that is not 0');
  if (addressType === undefined) return more;
  const lengths: Readonly<Record<number, number>> = { 1: 4, 3: 1 + (nameBytes ?? 0), 4: 16 };
  const addressBytes = lengths[addressType];
  if (addressBytes === undefined)
    return malformed(`address type ${addressType}`, socksReplies.addressTypeNotSupported);
  if (nameBytes === undefined) return more;
  const end = 4 + addressBytes + 2;
  if (bytes.length < end) return more;
  const address = bytes.subarray(4, 4 + addressBytes);
  const port = ((bytes[end - 2] ?? 0) << 8) | (bytes[end - 1] ?? 0);
  if (port === 0) return malformed('port 0');
  if (addressType !== 3)
    return {
      kind: 'message',
      value: { host: ipaddr.fromByteArray([...address]).toString(), port },
      bytes: end,
    };
  const host = Buffer.from(address.subarray(1)).toString('latin1');
  try {
    checkHost(host);
  } catch (error) {
    if (!(error instanceof FairleadError)) throw error;
    return malformed(error.message);
  }
  return { kind: 'message', value: { host, port }, bytes: end };
}

/** VER METHOD. */
export function methodChosen(method: number): Buffer {
  return Buffer.from([5, method]);
}

/** VER STATUS, 0 for success. */
export function credentialsAnswer(isAccepted: boolean): Buffer {
  return Buffer.from([1, isAccepted ? 0 : 1]);
}

/** VER REP RSV ATYP BND.ADDR BND.PORT. The bound address is the agent's and means nothing here: 0.0.0.0:0. */
export function requestAnswer(reply: number): Buffer {
  return Buffer.from([5, reply, 0, 1, 0, 0, 0, 0, 0, 0]);
}
