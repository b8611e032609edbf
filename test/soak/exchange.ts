// One stream from its first byte to its last, every one of them checked, and what came of it.

import type { Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Kind, Reception } from '../faults/reception.ts';
import { pattern } from '../rig/targets.ts';

export interface Plan {
  readonly kind: Kind;
  /** What this side writes, in pieces with pauses between. A download is nothing but its pauses. */
  readonly pieces: number;
  readonly pieceBytes: number;
  readonly pauseMs: number;
}

export type Outcome =
  | { readonly is: 'exact' }
  /** It ended before it should have; `began` says whether anything had come back. */
  | { readonly is: 'cut'; readonly began: boolean }
  /** A byte is not what it should be. */
  | { readonly is: 'wrong'; readonly why: string }
  /** It came to an end, in order, before its last byte. */
  | { readonly is: 'short'; readonly why: string }
  /** Half-closed, it did not come to its end. */
  | { readonly is: 'hung' };

/** Longer than a session waits for a peer that is away. */
const endLimitMs = 150_000;

/** Once `hurry` is aborted nothing more is written, and the rest is waited for. `heard` is told of all bytes. */
export async function exchange(
  socket: Socket,
  plan: Plan,
  hurry: AbortSignal,
  heard: (bytes: number) => void,
): Promise<Outcome> {
  const reception = new Reception(plan.kind);
  let sent = 0;
  let began = false;
  let limit: NodeJS.Timeout | undefined;
  const outcome = new Promise<Outcome>((resolve) => {
    const attempt = (failure: 'wrong' | 'short', step: () => void): void => {
      try {
        step();
      } catch (error) {
        resolve({ is: failure, why: error instanceof Error ? error.message : String(error) });
      }
    };
    socket
      .on('error', () => {})
      .on('data', (chunk: Buffer) => {
        began = true;
        heard(chunk.length);
        attempt('wrong', () => reception.push(chunk));
      })
      .on('end', () => {
        // A dialer that dies with nothing unread says FIN, not RST.
        if (!socket.writableEnded) return resolve({ is: 'cut', began });
        attempt('short', () => reception.end(sent));
        resolve({ is: 'exact' });
      })
      .on('close', () => resolve({ is: 'cut', began }))
      .resume();
    socket.once('finish', () => {
      limit = setTimeout(() => resolve({ is: 'hung' }), endLimitMs);
    });
  });
  const write = async (): Promise<void> => {
    socket.write(plan.kind);
    for (let n = 0; n < plan.pieces && !hurry.aborted && !socket.destroyed; n += 1) {
      if (plan.kind !== 'd') sent += await writePiece(socket, sent, plan.pieceBytes);
      if (plan.pauseMs > 0) await pause(plan.pauseMs, hurry);
    }
    if (!socket.destroyed) socket.end();
  };
  void write();
  const result = await outcome;
  clearTimeout(limit);
  socket.destroy();
  return result;
}

async function writePiece(socket: Socket, offset: number, bytes: number): Promise<number> {
  const from = offset % pattern.length;
  const piece = pattern.subarray(from, Math.min(pattern.length, from + bytes));
  if (!socket.write(piece)) await taken(socket);
  return piece.length;
}

function taken(socket: Socket): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      socket.off('drain', done).off('close', done);
      resolve();
    };
    socket.on('drain', done).on('close', done);
  });
}

/** For so long, or until the signal. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  await sleep(ms, undefined, { signal }).catch(() => {});
}
