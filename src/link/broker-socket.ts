// The connection under a link, made as `ws` makes it, but for where its bytes are read to.

import { connect as connectTcp, isIP, type NetConnectOpts, type OnReadOpts, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { ClientOptions } from 'ws';
import { bulkReads } from './bulk-reads.ts';

type ConnectionMaker = NonNullable<ClientOptions['createConnection']>;

/** For the `createConnection` of a WebSocket's options. */
export function connectionMaker(isSecure: boolean): ConnectionMaker {
  return (isSecure ? connectSecurely : connectPlainly) as ConnectionMaker;
}

function connectPlainly(to: NetConnectOpts): Socket {
  const options = { ...to, path: undefined, onread: readsOf(() => socket) };
  const socket: Socket = connectTcp(options as NetConnectOpts);
  return socket;
}

function connectSecurely(to: ConnectionOptions): Socket {
  const { host = '' } = to;
  const servername = to.servername ?? (isIP(host) === 0 ? host : '');
  const options = { ...to, path: undefined, servername, onread: readsOf(() => socket) };
  const socket: Socket = connectTls(options as ConnectionOptions);
  return socket;
}

function readsOf(socket: () => Socket): OnReadOpts {
  return bulkReads((bytes) => socket().emit('data', bytes));
}
