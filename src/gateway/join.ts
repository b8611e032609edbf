// Joins a client that has its answer coming to a target's connection, both ways, with half-close and back-pressure.
// Whatever ends one end ends the other: an end as an end, a break as a reset.

import type { Socket } from 'node:net';
import type { StreamSocket } from '../client/index.ts';
import { resetSocket } from '../link/reset-socket.ts';

/** How long a connection may be silent that one side has ended, in ms: the other may have left unnoticed. */
const halfClosedIdleMs = 3_600_000;

export interface JoinOptions {
  /** Tells the client that the connection stands. */
  readonly answer: Buffer;
  /** What the client said before. */
  readonly spoken: Buffer;
  /** How long the target's first bytes wait for a client that has not spoken, after the answer went out, in ms. */
  readonly serverFirstGraceMs: number;
}

/** Resolves when both are closed. */
export function join(client: Socket, target: StreamSocket, options: JoinOptions): Promise<void> {
  const { answer, spoken, serverFirstGraceMs } = options;
  let grace: NodeJS.Timeout | undefined;
  let isAnswered = false;
  let hasSpoken = spoken.length > 0;

  // kube-apiserver reads the answer through a buffer, and closes the connection where that holds one byte more than
  // the head. So the head is a write of its own, and what a target says first waits: until the client has spoken,
  // which shows that it has read the head, or for as long as a busy client may take to read it.
  const flow = (): void => {
    if (!isAnswered || client.destroyed || target.destroyed) return;
    clearTimeout(grace);
    grace = undefined;
    target.pipe(client);
  };
  const speaks = (): void => {
    hasSpoken = true;
    if (grace !== undefined) flow();
  };

  return new Promise((resolve) => {
    let closed = 0;
    const onClose = (): void => {
      clearTimeout(grace);
      closed += 1;
      if (closed === 2) resolve();
    };
    client.once('close', () => {
      if (!(client.readableEnded && client.writableFinished)) target.resetAndDestroy();
      onClose();
    });
    target.once('close', () => {
      if (!(target.readableEnded && target.writableFinished)) resetSocket(client);
      onClose();
    });
    target.on('error', () => resetSocket(client));
    target.on('timeout', () => target.resetAndDestroy());
    for (const side of [client, target]) side.once('end', () => target.setTimeout(halfClosedIdleMs));

    if (client.destroyed) {
      target.resetAndDestroy();
      if (client.closed) onClose();
      return;
    }
    client.write(answer, (error) => {
      if (error !== undefined && error !== null) return;
      isAnswered = true;
      if (hasSpoken) flow();
      else grace = setTimeout(flow, serverFirstGraceMs);
    });
    if (spoken.length > 0) target.write(spoken);
    client.once('data', speaks).once('end', speaks);
    client.pipe(target);
  });
}
