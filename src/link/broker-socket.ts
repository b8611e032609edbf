// The connection under a link, where it is not for `ws` to make.

import type { RequestOptions } from 'node:http';
import { isIP, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { ClientOptions } from 'ws';
import { RecordReads } from './record-reads.ts';

type RequestConnectionMaker = NonNullable<RequestOptions['createConnection']>;
type ConnectionMaker = NonNullable<ClientOptions['createConnection']>;

/** For the `createConnection` of a WebSocket's options, with TLS: made as the library makes it, and read in larger pieces. */
export const secureConnection = connectSecurely as ConnectionMaker;

function connectSecurely(to: ConnectionOptions): Socket {
  const reads = new RecordReads((bytes) => socket.emit('data', bytes));
  const socket: Socket = connectTls(secured(to, { onread: reads.onread }));
  socket.prependListener('end', () => reads.flush());
  return socket;
}

/** For the `createConnection` of a WebSocket's or a request's options, over a connection that is there: one through a proxy. */
export function connectionOver(tunnel: Socket, isSecure: boolean): ConnectionMaker & RequestConnectionMaker {
  const make = isSecure
    ? (to: ConnectionOptions) => connectTls(secured(to, { socket: tunnel }))
    : () => tunnel;
  return make as ConnectionMaker & RequestConnectionMaker;
}

function secured(to: ConnectionOptions, more: object): ConnectionOptions {
  const { host = '' } = to;
  // RFC 6066 §3: an address is no server name. The certificate is verified against `host` all the same.
  const servername = to.servername ?? (isIP(host) === 0 ? host : '');
  return { ...to, path: undefined, servername, ...more } as ConnectionOptions;
}
