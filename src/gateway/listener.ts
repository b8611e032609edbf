// One address that the gateway listens on: plain on loopback, a UNIX socket, or mutual TLS. Opens it and closes it;
// what is spoken there is its front's.

import { constants } from 'node:crypto';
import { createServer, isIPv6, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import { type FollowedCertificate, tlsServerDefaults } from '../files/followed-certificate.ts';
import { isLoopback } from '../link/loopback.ts';
import { listenAtPath } from '../link/unix-socket.ts';
import { FairleadError } from '../protocol/errors.ts';
import type { Connections } from './connections.ts';
import type { Front } from './front.ts';
import type { GatewayLog } from './gateway-log.ts';
import { refusal } from './http-answer.ts';
import { refused } from './outcome.ts';

/** Where a gateway listens, and who can connect there. */
export type GatewayAddress =
  /** Loopback only: nothing on it is encrypted. */
  | { readonly kind: 'tcp'; readonly host: string; readonly port: number }
  /** Mutual TLS: a client needs a certificate of an authority that the gateway trusts. */
  | { readonly kind: 'tls'; readonly host: string; readonly port: number }
  /** A socket of mode 0660: who may connect is the file system's to say. */
  | { readonly kind: 'unix'; readonly path: string };

/** The gateway's certificate and key, and whose clients it takes. */
export type ServerCertificate = Pick<FollowedCertificate, 'value' | 'onChanged'>;

export interface Listener {
  /** As it was bound: `HOST:PORT` or `unix:PATH`. */
  readonly address: string;
  readonly front: Front;
  /** Takes no more connections. Resolves when those that it took are closed. */
  close(): Promise<void>;
  /** Breaks what has not become a connection yet: TLS handshakes. */
  breakHandshakes(): void;
}

/** How long a silent TCP client is left alone before the kernel asks whether it is there, in ms. */
const keepAliveInitialDelay = 30_000;
/** Connections over the bound that are told so at once; the kernel closes further ones. */
const mostTurnedAway = 10_000;
/**
 * Connections that the kernel holds until they are accepted; it has a bound of its own. Over it a TCP client tries
 * again by itself, and one at a UNIX socket has EAGAIN.
 */
const backlog = 4_096;
/** The owner and the group may connect: kube-apiserver's user is often another one. */
const socketMode = 0o660;
const socketOptions = { allowHalfOpen: true, noDelay: true, keepAlive: true, keepAliveInitialDelay };

export interface ListenerOptions {
  readonly connections: Connections;
  readonly log: GatewayLog;
  /** Needed for `tls`. */
  readonly certificate: ServerCertificate | undefined;
  /** Longest that a TLS handshake takes, in ms. */
  readonly handshakeTimeoutMs: number;
}

/** @throws FairleadError ERR_CONFIG for an address that must not be plain, or for TLS without a certificate */
export function checkAddress(address: GatewayAddress, certificate: ServerCertificate | undefined): void {
  if (address.kind === 'tcp' && !isLoopback(address.host))
    throw new FairleadError(
      'ERR_CONFIG',
      `${address.host} is not this machine's own: plain TCP is for loopback only; write tls:${address.host}:${address.port}, or unix:PATH`,
    );
  if (address.kind !== 'tls') return;
  if (certificate === undefined)
    throw new FairleadError(
      'ERR_CONFIG',
      'tls: needs a certificate, its key and the authority of the clients',
    );
  // Without authorities of our own, Node would take clients of every public one.
  if (certificate.value().ca === undefined)
    throw new FairleadError('ERR_CONFIG', 'tls: needs the authority whose clients may connect');
}

/** @throws Node's own error where the address cannot be bound; as {@link checkAddress} and `listenAtPath` */
export async function openListener(
  address: GatewayAddress,
  front: Front,
  options: ListenerOptions,
): Promise<Listener> {
  const { connections, certificate } = options;
  checkAddress(address, certificate);
  const handshakes = new Set<Socket>();
  const server =
    address.kind === 'tls' && certificate !== undefined
      ? createMutualTlsServer(certificate, handshakes, front, options)
      : createServer(socketOptions, (socket) => connections.admit(socket, front));
  server.maxConnections = connections.max + mostTurnedAway;
  let bound: string;
  if (address.kind === 'unix') {
    await listenAtPath(server, { path: address.path, mode: socketMode }, backlog);
    bound = `unix:${address.path}`;
  } else {
    bound = await listen(server, address.host, address.port);
  }
  server.on('error', (error) =>
    options.log.error(
      { event: 'listener-failed', address: bound, error: error.message },
      'a listener reports an error',
    ),
  );
  return {
    address: bound,
    front,
    close: () => new Promise((resolve) => server.close(() => resolve())),
    breakHandshakes() {
      for (const socket of handshakes) socket.destroy();
    },
  };
}

function createMutualTlsServer(
  certificate: ServerCertificate,
  handshakes: Set<Socket>,
  front: Front,
  { connections, log, handshakeTimeoutMs }: ListenerOptions,
): Server {
  const context = () => {
    const { cert, key, ca } = certificate.value();
    return {
      ...tlsServerDefaults,
      // No session is resumed: every connection shows its certificate, which may have been withdrawn meanwhile.
      secureOptions: tlsServerDefaults.secureOptions | constants.SSL_OP_NO_TICKET,
      cert,
      key,
      ca: [...(ca ?? [])],
    };
  };
  const server = createTlsServer({
    ...socketOptions,
    ...context(),
    requestCert: true,
    // Whoever is not authorized is told why, below, and gets nothing else.
    rejectUnauthorized: false,
    handshakeTimeout: handshakeTimeoutMs,
  });
  const forget = certificate.onChanged(() => server.setSecureContext(context()));
  server.once('close', () => forget());
  server.on('connection', (socket) => {
    handshakes.add(socket);
    socket.once('close', () => handshakes.delete(socket));
  });
  server.on('secureConnection', (socket: TLSSocket) => {
    if (socket.authorized) {
      connections.admit(socket, front);
      return;
    }
    const why = whyUnauthorized(socket);
    log.info(
      { event: 'client-refused', from: socket.remoteAddress, reason: why },
      'a TLS client was refused',
    );
    connections.turnAway(socket, 'client-certificate', refusal(refused(403, 'ERR_FORBIDDEN', why)));
  });
  server.on('tlsClientError', (error, socket) => {
    // Everyday where a port is scanned; who owns the client needs to find it all the same.
    log.info({ event: 'client-refused', reason: error.message }, 'a TLS client was refused');
    socket.destroy();
  });
  return server;
}

function whyUnauthorized(socket: TLSSocket): string {
  if (Object.keys(socket.getPeerCertificate()).length === 0) return 'a client certificate is needed here';
  // In the typings an Error, in truth OpenSSL's code.
  const code = String(socket.authorizationError);
  const words = code === 'CERT_HAS_EXPIRED' ? 'has expired' : 'is not of an authority that is trusted here';
  return `the client certificate ${words}: ${code}`;
}

function listen(server: Server, host: string, port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ host, port, backlog }, () => {
      server.off('error', reject);
      const bound = server.address();
      if (bound === null || typeof bound === 'string') throw new Error('a TCP listener without an address');
      resolve(isIPv6(bound.address) ? `[${bound.address}]:${bound.port}` : `${bound.address}:${bound.port}`);
    });
  });
}
