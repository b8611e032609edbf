// What speaks to those who connect to one listener: HTTP CONNECT, SOCKS5, proxy paths.

import type { Socket } from 'node:net';
import type { FrontName } from './meter.ts';

export interface Front {
  readonly name: FrontName;
  /** What somebody is told who is one too many, before the connection is closed. */
  readonly fullAnswer: Buffer;
  /** Takes over a connection, at which nothing has been read. It has an `error` listener, and ends half-open. */
  serve(socket: Socket): void;
  /** Takes no new requests on connections that are open; those that wait for one are closed. */
  drain(): void;
}
