// The file of a UNIX socket, or a named pipe on Windows. Must never take over one that somebody serves, nor remove what is not a socket.

import { chmodSync, lstatSync, rmSync } from 'node:fs';
import { lstat, unlink } from 'node:fs/promises';
import { connect, type Server } from 'node:net';
import { FairleadError } from '../protocol/errors.ts';
import { isPipePath } from './socket-path.ts';

/**
 * Removes a socket that nobody serves any more.
 *
 * @throws FairleadError ERR_CONFIG where somebody does, or the file is something else
 */
async function clearSocketPath(path: string): Promise<void> {
  const status = await lstat(path).catch((error: NodeJS.ErrnoException) => {
    if (error.code === 'ENOENT') return undefined;
    throw error;
  });
  if (status === undefined) return;
  if (!status.isSocket())
    throw new FairleadError(
      'ERR_CONFIG',
      `${path} is there and is not a socket: choose another path, or remove it`,
    );
  const answer = await probe(path);
  if (answer === 'ENOENT') return;
  if (answer !== 'ECONNREFUSED')
    throw new FairleadError(
      'ERR_CONFIG',
      answer === 'connected'
        ? `${path} is served by another process: stop it or choose another path`
        : `it cannot be seen whether anybody serves ${path} (${answer}): remove it or choose another path`,
    );
  await unlink(path);
}

function probe(path: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ path });
    socket.once('connect', () => {
      socket.destroy();
      resolve('connected');
    });
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
  });
}

/** Whom the file lets connect. */
export interface SocketFile {
  readonly path: string;
  /** Permissions, such as 0o600 for its owner alone. */
  readonly mode: number;
}

/**
 * Listens at a path, which is cleared before. Closing the server removes the file, and so does the end of the process,
 * short of SIGKILL.
 *
 * @throws as {@link clearSocketPath}, and ERR_CONFIG where it cannot be bound
 */
export async function listenAtPath(
  server: Server,
  { path, mode }: SocketFile,
  backlog: number,
): Promise<void> {
  // A pipe is no file: it goes with whoever serves it, and has no mode.
  if (isPipePath(path)) {
    await listenAtPipe(server, path, backlog);
    return;
  }
  await clearSocketPath(path);
  await new Promise<void>((resolve, reject) => {
    // A directory that is missing is EACCES to libuv.
    const refused = (cause: NodeJS.ErrnoException): void =>
      reject(
        new FairleadError(
          'ERR_CONFIG',
          `cannot listen at ${path} (${cause.code}): its directory must be there, and writable`,
          { cause },
        ),
      );
    server.once('error', refused);
    // Nobody else may connect in the moment between bind and chmod. Binding happens within listen().
    const before = process.umask(0o777 & ~mode);
    try {
      server.listen({ path, backlog }, () => {
        server.off('error', refused);
        resolve();
      });
    } finally {
      process.umask(before);
    }
  });
  chmodSync(path, mode);
  const { ino } = lstatSync(path);
  const remove = (): void => {
    if (lstatSync(path, { throwIfNoEntry: false })?.ino === ino) rmSync(path);
  };
  process.on('exit', remove);
  server.once('close', () => process.off('exit', remove));
}

function listenAtPipe(server: Server, path: string, backlog: number): Promise<void> {
  return new Promise((resolve, reject) => {
    const refused = (cause: NodeJS.ErrnoException): void => {
      const why =
        cause.code === 'EADDRINUSE'
          ? 'another process serves it: stop it or choose another name'
          : cause.message;
      reject(new FairleadError('ERR_CONFIG', `cannot listen at ${path}: ${why}`, { cause }));
    };
    server.once('error', refused);
    server.listen({ path, backlog }, () => {
      server.off('error', refused);
      resolve();
    });
  });
}
