// The path of a UNIX socket on a node, as it travels: `unix:/PATH` in the place of a host.

import { posix } from 'node:path';

/** sockaddr_un has 108 bytes, with a zero at the end. */
export const longestSocketPath = 107;

/** A UNIX socket's port: there is none, and this one is sent (docs/protocol.md). */
export const socketPort = 1;

/** Absolute, without `..`, `//` and the like: a path that means what it says. */
export function isSocketPath(path: string): boolean {
  return (
    posix.isAbsolute(path) &&
    posix.normalize(path) === path &&
    !path.endsWith('/') &&
    Buffer.byteLength(path) <= longestSocketPath &&
    !path.includes('\0')
  );
}
