// The path of a UNIX socket on a node, as it travels: `unix:/PATH` in the place of a host. On Windows it is that of a
// named pipe, `unix:\\.\pipe\NAME`.

import { posix } from 'node:path';

/** sockaddr_un has 108 bytes, with a zero at the end. */
export const longestSocketPath = 107;

/** A UNIX socket's port: there is none, and this one is sent (docs/protocol.md). */
export const socketPort = 1;

/**
 * Whether it is a named pipe of the machine itself. What Windows would read as another name, or as another place, is none:
 * a slash, a colon, a dot at the end.
 */
export function isPipePath(path: string): boolean {
  return /^\\\\\.\\pipe\\[\w.~@$#{}+-]{0,199}[\w~@$#{}+-]$/.test(path);
}

/** Absolute, without `..`, `//` and the like: a path that means what it says. Or that of a pipe. */
export function isSocketPath(path: string): boolean {
  if (isPipePath(path)) return true;
  return (
    posix.isAbsolute(path) &&
    posix.normalize(path) === path &&
    !path.endsWith('/') &&
    Buffer.byteLength(path) <= longestSocketPath &&
    !path.includes('\0')
  );
}

/** What is wrong with a path as one of this machine's own; undefined where nothing is. */
export function foreignPath(path: string, platform: NodeJS.Platform): string | undefined {
  if (platform === 'win32')
    return isPipePath(path)
      ? undefined
      : String.raw`Windows has named pipes in the place of UNIX sockets: write unix:\\.\pipe\NAME`;
  return path.startsWith(String.raw`\\`)
    ? 'only Windows has named pipes: write unix:/PATH, of a UNIX socket'
    : undefined;
}
