// The certificates that clients show in the TLS handshake: who each is for, for as long as the authorities are those
// that it was verified with. Node only.

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
  #changed = (): void => {};

  constructor(identify: IdentifyCertificate, isRevoked: (identity: Identity) => boolean) {
    this.#identify = identify;
    this.#isRevoked = isRevoked;
  }

  /** For the server's `secureConnection` event. */
  connected(socket: TLSSocket): void {
    this.#current.add(socket);
  }

  /** What was verified before is not verified any more. */
  authoritiesChanged(): void {
    this.#current = new WeakSet();
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

/** Its documentation says Error; it is the code of one. */
function why({ authorizationError }: TLSSocket): string {
  return certificateProblem(authorizationError) ?? String(authorizationError);
}
