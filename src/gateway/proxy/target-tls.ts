// TLS towards a target, inside a stream. The certificate is checked here, at the gateway: nobody on the way, agent and
// broker included, is asked to be believed.

import { isIP } from 'node:net';
import type { Duplex } from 'node:stream';
import { connect, type TLSSocket } from 'node:tls';
import { FairleadError } from '../../protocol/errors.ts';
import type { TargetCredentials } from './target-credentials.ts';

/** Longest that a handshake takes, in ms. */
const handshakeTimeoutMs = 10_000;

export interface TlsTarget {
  /** The name or address that the certificate must be for. */
  readonly name: string;
  /** For messages. */
  readonly where: string;
}

/**
 * Takes `socket` over: what becomes of one becomes of the other.
 *
 * @throws FairleadError ERR_TARGET_FAILED with the cause, ETIMEDOUT, ERR_ABORTED where `signal` gave up
 */
export function secureTarget(
  socket: Duplex,
  { name, where }: TlsTarget,
  credentials: TargetCredentials,
  signal: AbortSignal,
): Promise<TLSSocket> {
  const { ca, cert, key, verifies } = credentials;
  return new Promise((resolve, reject) => {
    let secured: TLSSocket;
    try {
      secured = connect({
        socket,
        host: name,
        // RFC 6066 §3: a server name is no address.
        servername: isIP(name) === 0 ? name : '',
        ALPNProtocols: ['http/1.1'],
        minVersion: 'TLSv1.2',
        rejectUnauthorized: verifies,
        ...(verifies ? {} : { checkServerIdentity: () => undefined }),
        ...(ca === undefined ? {} : { ca: [...ca] }),
        ...(cert === undefined ? {} : { cert, key }),
      });
    } catch (error) {
      socket.destroy();
      reject(failure(error, where));
      return;
    }
    const settle = (): void => {
      clearTimeout(timer);
      signal.removeEventListener('abort', abort);
      secured.off('error', fail).off('close', closed);
    };
    const fail = (error: unknown): void => {
      settle();
      // From here on nobody listens; what is still to come says nothing new.
      secured.on('error', () => {}).destroy();
      socket.destroy();
      reject(error instanceof FairleadError ? error : failure(error, where));
    };
    const closed = (): void =>
      fail(new FairleadError('ERR_TARGET_FAILED', `${where} ended the connection in the TLS handshake`));
    const abort = (): void =>
      fail(new FairleadError('ERR_ABORTED', 'the request was given up', { cause: signal.reason }));
    const timer = setTimeout(
      () => fail(new FairleadError('ETIMEDOUT', `${where} did not finish the TLS handshake in time`)),
      handshakeTimeoutMs,
    ).unref();
    secured.once('error', fail).once('close', closed);
    secured.once('secureConnect', () => {
      settle();
      resolve(secured);
    });
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
  });
}

/** What to do about the failures that people meet first, by OpenSSL's or Node's code. */
const hints: readonly (readonly [RegExp, string])[] = [
  [/^(UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_)/, 'name its authority with --target-ca'],
  [/^CERT_HAS_EXPIRED$/, 'it must be renewed at the target'],
  [/^ERR_TLS_CERT_ALTNAME_INVALID$/, 'ask for the target by a name that its certificate has'],
  [
    /CERTIFICATE_REQUIRED$|HANDSHAKE_FAILURE$/,
    'it may want a client certificate: --target-cert and --target-key',
  ],
  [/WRONG_VERSION_NUMBER$|^EPROTO$/, 'it may speak plain HTTP: leave out "https:"'],
];

/** The reason in one short line, its code first, for those who see nothing else. */
export function tlsFailureMessage(error: unknown, where: string): string | undefined {
  const { code = '', message = '' } = (error ?? {}) as { code?: unknown; message?: string };
  if (
    typeof code !== 'string' ||
    !/^(CERT_|UNABLE_TO_|SELF_SIGNED_|DEPTH_ZERO_|ERR_TLS|ERR_SSL|EPROTO)/.test(code)
  )
    return undefined;
  const hint = hints.find(([pattern]) => pattern.test(code))?.[1];
  // OpenSSL's own errors are lines of colons in which the code says all.
  const why = /^(ERR_SSL|EPROTO)/.test(code) ? '' : `: ${message}`;
  return `TLS to ${where} failed, ${code}${hint === undefined ? '' : `; ${hint}`}${why}`;
}

function failure(error: unknown, where: string): FairleadError {
  if (error instanceof FairleadError) return error;
  const message =
    tlsFailureMessage(error, where) ??
    `TLS to ${where} failed: ${error instanceof Error ? error.message : 'the connection broke'}`;
  return new FairleadError('ERR_TARGET_FAILED', message, { cause: error });
}
