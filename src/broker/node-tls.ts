// TLS at the broker on Node: the server's certificate, replaced while links are open. Decides nothing about who calls.

import type { RequestListener, Server } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import {
  type CertificateMaterial,
  type FollowedCertificate,
  tlsServerDefaults,
} from '../files/followed-certificate.ts';
import { FairleadError } from '../protocol/errors.ts';

export interface ServerTls {
  /** PEM. */
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  /** Tells of newer ones; what it tells is checked already. Default: there are none. */
  readonly onChanged?: FollowedCertificate['onChanged'] | undefined;
}

/** @throws FairleadError ERR_CONFIG where certificate and key cannot be used. */
export function createTlsServer(tls: ServerTls, options: ServerOptions, listener: RequestListener): Server {
  let server: ReturnType<typeof createServer>;
  try {
    server = createServer({ ...options, ...tlsServerDefaults, cert: tls.cert, key: tls.key }, listener);
  } catch (cause) {
    throw new FairleadError(
      'ERR_CONFIG',
      'the TLS certificate and key cannot be used: both must be PEM and belong together',
      { cause },
    );
  }
  // Connections that stand keep what they were made with.
  const forget = tls.onChanged?.(({ cert, key }: CertificateMaterial) =>
    server.setSecureContext({ ...tlsServerDefaults, cert, key }),
  );
  server.once('close', () => forget?.());
  return server;
}
