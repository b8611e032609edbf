// HTTP and HTTPS servers on free loopback ports for tests to ask.

import { createServer, type RequestListener, type Server, type ServerOptions } from 'node:http';
import { createServer as createTlsServer, type ServerOptions as TlsServerOptions } from 'node:https';
import type { Socket } from 'node:net';
import type { Rig } from './rig.ts';

export interface HttpTarget {
  readonly server: Server;
  readonly port: number;
  /** Connections now, and that ever were. */
  readonly open: ReadonlySet<Socket>;
  readonly accepted: () => number;
}

/** Plain, or with TLS where `tls` says how. Ends with the rig. */
export async function serveHttp(
  rig: Rig,
  answer: RequestListener,
  tls?: TlsServerOptions,
  options: ServerOptions = {},
): Promise<HttpTarget> {
  const server =
    tls === undefined ? createServer(options, answer) : (createTlsServer(tls, answer) as unknown as Server);
  const open = new Set<Socket>();
  let accepted = 0;
  server.on('connection', (socket) => {
    accepted += 1;
    open.add(socket);
    socket.once('close', () => open.delete(socket));
    socket.on('error', () => {});
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  rig.defer(() => {
    for (const socket of open) socket.destroy();
    server.close();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server without an address');
  return { server, port: address.port, open, accepted: () => accepted };
}
