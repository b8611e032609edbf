// The certificates that clients show in the TLS handshake: who each is for, for as long as the authorities are those
// that it was verified with. Node only.

import type { Server } from 'node:https';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { TLSSocket } from 'node:tls';
import { FairleadError } from '../protocol/errors.ts';
import { certificateProblem } from '../tls/certificate-problem.ts';
import type { Caller } from './gate.ts';
import { type Identity, unauthorized } from './identity.ts';
import type { IdentifyCertificate } from './identity-certificate.ts';
import type { BrokerOptions } from './node-options.ts';

export class ClientCertificates {
  readonly #identify: IdentifyCertificate;
  readonly #isRevoked: (identity: Identity) => boolean;
  /** Connections whose handshake was with the authorities of now. */
  #current = new WeakSet<Duplex>();
  /** How often the authorities have changed when a handshake began that has not ended, by the connection's addresses. */
  readonly #handshakes = new Map<string, number>();
  #changes = 0;
  #changed = (): void => {};

  constructor(identify: IdentifyCertificate, isRevoked: (identity: Identity) => boolean) {
    this.#identify = identify;
    this.#isRevoked = isRevoked;
  }

  /** Follows the connections of a server that has yet to listen. */
  watch(server: Server): void {
    // A handshake is with the authorities that there were when it began, however long it takes.
    server.on('connection', (socket: Socket) => {
      const addresses = addressesOf(socket);
      this.#handshakes.set(addresses, this.#changes);
      socket.once('close', () => this.#handshakes.delete(addresses));
    });
    server.on('secureConnection', (socket) => {
      if (this.#ended(socket) === this.#changes) this.#current.add(socket);
    });
    server.on('tlsClientError', (_, socket) => void this.#ended(socket));
  }

  #ended(socket: Socket): number | undefined {
    const addresses = addressesOf(socket);
    const changes = this.#handshakes.get(addresses);
    this.#handshakes.delete(addresses);
    return changes;
  }

  /** What was verified before is not verified any more. */
  authoritiesChanged(): void {
    this.#current = new WeakSet();
    this.#changes += 1;
    this.#changed();
  }

  /** Whoever has been let in before has to be looked at again. */
  onAuthoritiesChanged(listener: () => void): void {
    this.#changed = listener;
  }

  /** Who is at the other end; undefined where it has shown no certificate. */
  callerOn(socket: Duplex): Caller | undefined {
    if (!(socket instanceof TLSSocket)) return undefined;
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) return undefined;
    return () => {
      if (!socket.authorized) throw unauthorized(`the client certificate is refused: ${why(socket)}`);
      if (!this.#current.has(socket))
        throw unauthorized('the authorities for client certificates have changed: connect again');
      const identity = this.#identify(certificate);
      if (this.#isRevoked(identity)) throw unauthorized('the client certificate was revoked');
      return identity;
    };
  }
}

/**
 * @returns undefined where clients are not asked for certificates
 * @throws FairleadError ERR_CONFIG where there are authorities without rules, or rules without authorities
 */
export function clientCertificates(
  { tls, identify }: BrokerOptions,
  isRevoked: (identity: Identity) => boolean,
): ClientCertificates | undefined {
  if ((tls?.ca === undefined) !== (identify === undefined))
    throw new FairleadError(
      'ERR_CONFIG',
      'client certificates need both an authority to verify them with and rules for what they grant',
    );
  return identify === undefined ? undefined : new ClientCertificates(identify, isRevoked);
}

/** Node does not say which connection a `TLSSocket` is around; no two that are open have the same four. */
function addressesOf({ remoteAddress, remotePort, localAddress, localPort }: Socket): string {
  return `${remoteAddress} ${remotePort} ${localAddress} ${localPort}`;
}

/** Its documentation says Error; it is the code of one. */
function why({ authorizationError }: TLSSocket): string {
  return certificateProblem(authorizationError) ?? String(authorizationError);
}
