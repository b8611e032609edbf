// A file whose contents are followed: read at once, and again whenever it changes. Must never let go of the last
// good contents because what came after is missing or malformed.

import { type BigIntStats, stat, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { FairleadError } from '../protocol/errors.ts';

/** How often a followed file is looked at, in ms. */
const lookEveryMs = 250;
const maxBytes = 8 * 1024 * 1024;

/**
 * Calls `changed` after the file has changed, has come or has gone, until the returned function is called. Looks
 * at the path again and again, so that a file replaced by rename, as Kubernetes does behind its symbolic links, is
 * followed too. What is changed from the moment of the call on is seen. Does not keep the process alive.
 */
export function watchPath(path: string, changed: () => void): () => void {
  let seen = fingerprint(statSync(path, { bigint: true, throwIfNoEntry: false }));
  let looking = false;
  const timer = setInterval(() => {
    if (looking) return;
    looking = true;
    stat(path, { bigint: true }, (error, stats) => {
      looking = false;
      const now = fingerprint(error === null ? stats : undefined);
      if (now === seen || stopped) return;
      seen = now;
      changed();
    });
  }, lookEveryMs);
  timer.unref();
  let stopped = false;
  return () => {
    stopped = true;
    clearInterval(timer);
  };
}

function fingerprint(stats: BigIntStats | undefined): string {
  return stats === undefined
    ? ''
    : `${stats.dev} ${stats.ino} ${stats.size} ${stats.mtimeNs} ${stats.ctimeNs}`;
}

export interface FollowedFile<T> {
  /** What the file said when it was last good. */
  value(): T;
  close(): void;
}

interface FollowedFileOptions<T> {
  /** Must throw on what is malformed. */
  readonly parse: (text: string) => T | Promise<T>;
  /** After each change that was good. */
  readonly changed?: (value: T) => void;
  /** A change could not be used; the contents before it stay. */
  readonly failed: (path: string, error: unknown) => void;
}

/** @throws Node's own error where the file cannot be read, or that of `parse` with the file's name before it. */
export async function followFile<T>(path: string, options: FollowedFileOptions<T>): Promise<FollowedFile<T>> {
  let current: T;
  let isStale = false;
  let reading = true;
  let closed = false;

  async function reread(): Promise<void> {
    isStale = true;
    if (reading) return;
    reading = true;
    // A change while it was being read is read, too.
    while (isStale && !closed) {
      isStale = false;
      try {
        const next = await readParsed(path, options.parse);
        if (closed) break;
        current = next;
        options.changed?.(next);
      } catch (error) {
        if (!closed) options.failed(path, error);
      }
    }
    reading = false;
  }

  const unwatch = watchPath(path, () => void reread());
  const close = () => {
    closed = true;
    unwatch();
  };
  try {
    current = await readParsed(path, options.parse);
  } catch (error) {
    close();
    throw error;
  }
  reading = false;
  if (isStale) await reread();
  return { value: () => current, close };
}

/** Reads a file once, at most 8 MiB of it. @throws as {@link followFile} does */
export async function readParsed<T>(path: string, parse: (text: string) => T | Promise<T>): Promise<T> {
  let text: string;
  try {
    const handle = await open(path);
    try {
      const { size } = await handle.stat();
      if (size > maxBytes) throw new FairleadError('ERR_CONFIG', `it is larger than ${maxBytes} bytes`);
      text = await handle.readFile('utf8');
    } finally {
      await handle.close();
    }
    return await parse(text);
  } catch (error) {
    if (error instanceof FairleadError) throw new FairleadError(error.code, `${path}: ${error.message}`);
    // Reading a directory, for one, fails without saying which.
    throw error instanceof Error ? Object.assign(error, { path }) : error;
  }
}
