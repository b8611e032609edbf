// TLS at the broker on Node: the server's certificate, replaced while links are open. Decides nothing about who calls.

import { randomBytes, X509Certificate } from 'node:crypto';
import type { RequestListener, Server } from 'node:http';
import { createServer, type ServerOptions } from 'node:https';
import type { SecureContextOptions } from 'node:tls';
import {
  type CertificateMaterial,
  type FollowedCertificate,
  tlsServerDefaults,
} from '../files/followed-certificate.ts';
import { FairleadError } from '../protocol/errors.ts';
import type { ClientCertificates } from './client-certificates.ts';

/** What Node wants. */
const ticketKeyBytes = 48;

export interface ServerTls {
  /** PEM. */
  readonly cert: string | Buffer;
  readonly key: string | Buffer;
  /** PEM of the authorities whose client certificates are taken. Default: clients are asked for none. */
  readonly ca?: readonly string[] | undefined;
  /** Tells of newer ones; what it tells is checked already. Default: there are none. */
  readonly onChanged?: FollowedCertificate['onChanged'] | undefined;
}

/** @throws FairleadError ERR_CONFIG where certificate and key cannot be used. */
export function createTlsServer(
  tls: ServerTls,
  options: ServerOptions,
  listener: RequestListener,
  clients: ClientCertificates | undefined,
): Server {
  let server: ReturnType<typeof createServer>;
  // A client without one may have a token, and who is refused is told so in words: the gate's business.
  const asking = clients === undefined ? {} : { requestCert: true, rejectUnauthorized: false };
  try {
    server = createServer({ ...options, ...secureContext(tls), ...asking }, listener);
  } catch (cause) {
    throw new FairleadError(
      'ERR_CONFIG',
      'the TLS certificate and key cannot be used: both must be PEM and belong together',
      { cause },
    );
  }
  let authorities = tls.ca?.join();
  // Connections that stand keep what they were made with.
  const forget = tls.onChanged?.((next) => {
    server.setSecureContext(secureContext(next));
    if (next.ca?.join() === authorities) return;
    authorities = next.ca?.join();
    // RFC 8446 §4.6.1: a session that is resumed brings the client's certificate along, and nobody verifies it again.
    server.setTicketKeys(randomBytes(ticketKeyBytes));
    clients?.authoritiesChanged();
  });
  clients?.watch(server);
  server.once('close', () => forget?.());
  return server;
}

/** When the certificate that `server` shows ends, in milliseconds since the epoch, whichever it is by then. */
export function certificateEndsAt(tls: ServerTls, server: Server): () => number {
  let endsAt = Date.parse(new X509Certificate(tls.cert).validTo);
  const forget = tls.onChanged?.(({ expiresAt }) => {
    endsAt = expiresAt;
  });
  server.once('close', () => forget?.());
  return () => endsAt;
}

function secureContext({ cert, key, ca }: ServerTls | CertificateMaterial): SecureContextOptions {
  return { ...tlsServerDefaults, cert, key, ...(ca === undefined ? {} : { ca: [...ca] }) };
}
