// Addresses and durations of the command line, and the authority of a CONNECT: taken whole or refused, and what is
// taken is something that a socket can be connected to.

import { isAbsolute } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { parseForward, parseListen, parseNode, parseTarget } from '../../../src/cli/address.ts';
import { parseDuration, parseSeconds } from '../../../src/cli/duration.ts';
import { parseAuthority } from '../../../src/gateway/authority.ts';
import { promise, refusing } from '../target.ts';

function taken<T>(parse: (text: string) => T, text: string): T | undefined {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof InvalidArgumentError)) throw error;
    return undefined;
  }
}

function checkAddress(address: { host: string; port: number } | undefined, lowestPort: number): void {
  if (address === undefined) return;
  const { host, port } = address;
  promise(Number.isInteger(port) && port >= lowestPort && port <= 65_535, 'a port is one');
  promise(host.length >= 1 && host.length <= 253, 'a host has a length');
  promise(/^[\w.:%-]+$/.test(host), 'a host has no other characters');
}

function checkTarget(target: { host: string; port: number } | undefined): void {
  if (target?.host.startsWith('unix:') === true) promise(!target.host.includes('\0'), 'a path is one');
  else checkAddress(target, 1);
}

export function fuzz(data: Buffer): void {
  const text = data.toString('utf8').slice(0, 1000);
  checkTarget(taken(parseTarget, text));
  checkAddress(taken(parseListen, text), 0);
  const forward = taken(parseForward, text);
  const bind = forward?.bind;
  if (bind === undefined || !('path' in bind)) checkAddress(bind, 0);
  else promise(isAbsolute(bind.path) && !bind.path.includes('\0'), 'a path can be listened at');
  checkTarget(forward?.target);
  const node = taken(parseNode, text);
  promise(node === undefined || node === text, 'a node is taken as it is');
  const seconds = taken(parseDuration, text) ?? taken(parseSeconds, text) ?? 0;
  promise(Number.isSafeInteger(seconds) && seconds >= 0, 'a duration is a whole number of seconds');
  checkAddress(
    refusing(() => parseAuthority(text), 'ERR_CONFIG'),
    1,
  );
}
