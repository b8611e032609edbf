// What clients of the gateway say first: the authority of a CONNECT and the messages of SOCKS5. What is taken is whole
// and something to dial; what is not whole asks for more, and whatever follows cannot change what came before.

import { parseAuthority } from '../../../src/gateway/authority.ts';
import {
  type Parsed,
  readCredentials,
  readGreeting,
  readRequest,
} from '../../../src/gateway/socks5-messages.ts';
import { promise, refusing } from '../target.ts';

function checkTarget(target: { host: string; port: number } | undefined): void {
  if (target === undefined) return;
  promise(target.port >= 1 && target.port <= 65_535, 'a port is one');
  promise(/^[\w.:-]{1,253}$/.test(target.host), 'a host is a name or an address');
}

function check<T>(read: (bytes: Uint8Array) => Parsed<T>, data: Buffer): T | undefined {
  const parsed = read(data);
  if (parsed.kind === 'malformed') promise(parsed.why.length < 400, 'a reason has a length');
  if (parsed.kind !== 'message') return undefined;
  promise(parsed.bytes <= data.length, 'nothing is read beyond the end');
  promise(read(data.subarray(0, parsed.bytes)).kind === 'message', 'what follows changes nothing');
  for (let length = 0; length < parsed.bytes; length += 1)
    promise(read(data.subarray(0, length)).kind === 'more', 'what is not whole asks for more');
  return parsed.value;
}

export function fuzz(data: Buffer): void {
  check(readGreeting, data);
  check(readCredentials, data);
  checkTarget(check(readRequest, data));
  checkTarget(refusing(() => parseAuthority(data.toString('latin1')), 'ERR_CONFIG'));
}
