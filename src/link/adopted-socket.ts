// A socket that a server accepted, made anew so that it reads where its owner says. Node gives `onread` only to
// sockets that it connects; this hands the connection's handle to a new socket, by an option of `net.Socket` that Node
// does not document. What that is worth, and what was weighed: docs/decisions/0006-adopted-sockets.md.
// Where a runtime has no such handle the accepted socket stays as it is.

import { type OnReadOpts, Socket, type SocketConstructorOpts } from 'node:net';

/** What is used of a libuv stream's handle; each part is looked for before it is used. */
interface Handle {
  reading: boolean;
  readStop(): number;
  useUserBuffer(buffer: Uint8Array): void;
}

/**
 * A socket for the same connection, which reads as `onread` says; undefined where that cannot be had: with TLS, or on a
 * runtime that is built differently. `accepted` must be paused; bytes that it has read already are still to be taken from
 * it. After that it is of no use, and its owner destroys it.
 */
export function adoptSocket(accepted: Socket, onread: OnReadOpts): Socket | undefined {
  const handle = handleOf(accepted);
  if (handle === undefined) return undefined;
  handle.readStop();
  handle.reading = false;
  (accepted as unknown as { _handle: null })._handle = null;
  const options = { handle, allowHalfOpen: accepted.allowHalfOpen, onread };
  return new Socket(options as SocketConstructorOpts);
}

function handleOf(socket: Socket): Handle | undefined {
  if (socket.constructor !== Socket || socket.destroyed) return undefined;
  const { _handle: handle } = socket as unknown as { readonly _handle?: Partial<Handle> | null };
  const isWhole =
    typeof handle?.readStop === 'function' &&
    typeof handle.useUserBuffer === 'function' &&
    typeof handle.reading === 'boolean';
  return isWhole ? (handle as Handle) : undefined;
}
