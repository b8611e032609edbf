// What `doctor` was asked to look at, and what its checks have learned for those that come after them.

import type { Socket } from 'node:net';
import type { BrokerClient } from '../../client/index.ts';
import type { CertificateMaterial } from '../../files/followed-certificate.ts';
import type { ProxyAccess } from '../../link/broker-access.ts';
import { connectionOver } from '../../link/broker-socket.ts';
import type { ProxyChoice } from '../../link/proxy-choice.ts';
import { tunnelTo } from '../../link/proxy-tunnel.ts';
import type { HostPort } from '../address.ts';

/** What the broker, or whatever is in front of it, answered to the request for a link. */
export type UpgradeAnswer =
  | { readonly kind: 'opened' }
  /** It knows who calls; what was asked for was no link. */
  | { readonly kind: 'recognised' }
  | { readonly kind: 'refused'; readonly status: number; readonly message: string };

export interface Examination {
  /** Of the broker: `wss:` or `ws:`, with its prefix as path. */
  readonly url: URL;
  /** With an agent's token, from its machine. */
  readonly isAgent: boolean;
  /** The proxy on the way there, and why there is one or none. */
  readonly way: ProxyChoice;
  /** How it is connected through. */
  readonly proxyAccess: ProxyAccess;
  readonly node: string | undefined;
  readonly target: HostPort | undefined;
  /** Longest that one step may take. */
  readonly timeoutMs: number;
  /** PEM of whom to trust instead of the system's. */
  readonly ca: string | undefined;
  /** Throws where the token cannot be read; absent where a certificate says who calls. */
  readonly readToken: (() => Promise<string>) | undefined;
  /** Likewise. */
  readonly readCertificate: (() => Promise<CertificateMaterial>) | undefined;
  /** Opens nothing before it is asked. */
  readonly client: () => Promise<BrokerClient>;

  /** How far the broker's clock is ahead of this machine's, in ms, once it is known. */
  skewMs: number | undefined;
  /** Once it was read. */
  token: string | undefined;
  certificate: CertificateMaterial | undefined;
  upgrade: UpgradeAnswer | undefined;
}

/** Of the broker, or of another hop on the way. */
export function hostOf({ url }: Pick<Examination, 'url'>): string {
  return url.hostname.replace(/^\[|\]$/g, '');
}

/** Likewise. */
export function portOf({ url }: Pick<Examination, 'url'>): number {
  if (url.port !== '') return Number(url.port);
  return url.protocol === 'wss:' || url.protocol === 'https:' ? 443 : 80;
}

/** What a TLS connection to the broker is made with. */
export function tlsOptions({ ca, certificate }: Examination) {
  return {
    ...(ca === undefined ? {} : { ca }),
    ...(certificate === undefined ? {} : { cert: certificate.cert, key: certificate.key }),
  };
}

/** Where the first connection on the way goes: the proxy, or the broker itself. */
export function firstHop({ url, way }: Examination): { readonly url: URL; readonly isProxy: boolean } {
  return { url: way.proxy ?? url, isProxy: way.proxy !== undefined };
}

/** Through the proxy, if there is one. */
export async function openWay({ url, proxyAccess, timeoutMs }: Examination): Promise<Socket | undefined> {
  return await tunnelTo(url, proxyAccess, timeoutMs, new AbortController().signal);
}

/** For requests that are to go that way. */
export async function wayOptions(examination: Examination) {
  const tunnel = await openWay(examination);
  if (tunnel === undefined) return {};
  return { createConnection: connectionOver(tunnel, examination.url.protocol === 'wss:') };
}
