// The connection under a link, made as `ws` makes it.

import type { RequestOptions } from 'node:http';
import { connect as connectTcp, isIP, type NetConnectOpts, type Socket } from 'node:net';
import { type ConnectionOptions, connect as connectTls } from 'node:tls';
import type { ClientOptions } from 'ws';

type RequestConnectionMaker = NonNullable<RequestOptions['createConnection']>;
type ConnectionMaker = NonNullable<ClientOptions['createConnection']>;

/** For the `createConnection` of a WebSocket's options. */
export function connectionMaker(isSecure: boolean): ConnectionMaker {
  return (isSecure ? connectSecurely : connectPlainly) as ConnectionMaker;
}

/** Likewise, over a connection that is there: one through a proxy. */
export function connectionOver(tunnel: Socket, isSecure: boolean): ConnectionMaker & RequestConnectionMaker {
  const make = isSecure
    ? (to: ConnectionOptions) => connectTls(secured(to, { socket: tunnel }))
    : () => tunnel;
  return make as ConnectionMaker & RequestConnectionMaker;
}

function connectPlainly(to: NetConnectOpts): Socket {
  return connectTcp({ ...to, path: undefined } as NetConnectOpts);
}

function connectSecurely(to: ConnectionOptions): Socket {
  return connectTls(secured(to, {}));
}

function secured(to: ConnectionOptions, more: object): ConnectionOptions {
  const { host = '' } = to;
  // RFC 6066 §3: an address is no server name. The certificate is verified against `host` all the same.
  const servername = to.servername ?? (isIP(host) === 0 ? host : '');
  return { ...to, path: undefined, servername, ...more } as ConnectionOptions;
}
