// How a peer reaches its broker and says who it is. What may be renewed is asked for at each connect; the token goes
// into a header, the key into TLS, and neither goes anywhere else.

import { FairleadError } from '../protocol/errors.ts';

/** A certificate and its key, both PEM; the certificates between it and its authority follow it. */
export interface ClientCertificate {
  readonly cert: string;
  readonly key: string;
}

/** The HTTP proxy on the way to a broker. */
export interface ProxyAccess {
  /**
   * `http:` or `https:` URL of the proxy, with user and password where it wants them; `''`: none. A function is asked at
   * each connect. Default: what HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY name; none on loopback.
   */
  readonly proxy?: string | undefined | (() => string | undefined | Promise<string | undefined>);
  /** PEM certificates to verify an `https:` proxy with, instead of the system's roots. */
  readonly proxyCa?: string | Buffer | (() => string | Buffer | Promise<string | Buffer>) | undefined;
}

export interface BrokerAccess extends ProxyAccess {
  /** `ws:`, `wss:`, `http:` or `https:` URL of the broker; its path is a prefix of `/v1/…`. */
  readonly url: string;
  /**
   * A function is asked at each connect, so that a token that was renewed is used. May be absent where a certificate
   * says who calls; where both are given, the token says it.
   */
  readonly token?: string | (() => string | Promise<string>) | undefined;
  /**
   * Calls the listener whenever `token` may answer something new, so that it is shown to the broker at once; answers
   * how to stop. Without it, a token function is asked when most of a token's life has passed.
   */
  readonly onTokenChange?: ((listener: () => void) => () => void) | undefined;
  /** What is shown to a broker that asks for one, with `wss:` only. A function is asked at each connect. */
  readonly certificate?:
    | ClientCertificate
    | (() => ClientCertificate | Promise<ClientCertificate>)
    | undefined;
  /** As {@link onTokenChange}, for `certificate`: without a token, another link is opened with the newer one. */
  readonly onCertificateChange?: ((listener: () => void) => () => void) | undefined;
  /** PEM certificates to trust instead of the system's roots. A function is asked at each connect. */
  readonly ca?: string | Buffer | (() => string | Buffer | Promise<string | Buffer>) | undefined;
  /** Allows `ws:` beyond loopback. Default false. */
  readonly insecure?: boolean | undefined;
}

/** What one connection is made with. */
export interface Credentials {
  readonly token: string | undefined;
  readonly certificate: ClientCertificate | undefined;
  readonly headers: Readonly<Record<string, string>>;
  /** For TLS. */
  readonly tls: { readonly ca?: string | Buffer; readonly cert?: string; readonly key?: string };
}

/** @throws FairleadError ERR_CONFIG where there is neither token nor certificate, or whatever `access` throws */
export async function credentialsOf(access: BrokerAccess): Promise<Credentials> {
  const [token, certificate, ca] = await Promise.all([
    now(access.token),
    now(access.certificate),
    now(access.ca),
  ]);
  if (token === undefined && certificate === undefined)
    throw new FairleadError(
      'ERR_CONFIG',
      'neither a token nor a certificate says who calls: give one of them',
    );
  return {
    token,
    certificate,
    headers: token === undefined ? {} : { authorization: `Bearer ${token}` },
    tls: {
      ...(ca === undefined ? {} : { ca }),
      ...(certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key }),
    },
  };
}

/** What `source` says at this moment. */
export async function now<T>(source: T | (() => T | Promise<T>)): Promise<T> {
  return typeof source === 'function' ? await (source as () => T | Promise<T>)() : source;
}
