// Gets a JWK set, through a proxy where one is to be used, from servers, too, that want a certificate authority or a
// token of its own, as a Kubernetes API server does. Reads both files at each request, so that rotated ones are used; shows the token to that server only.

import { readFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import type { FetchImplementation } from 'jose';
import { connectionOver } from '../link/broker-socket.ts';
import { tunnelTo } from '../link/proxy-tunnel.ts';

export interface JwksAccess {
  /** PEM of the certificates to trust instead of the system's. */
  readonly caFile: string | undefined;
  readonly tokenFile: string | undefined;
  /** As in {@link ProxyAccess}. */
  readonly proxy: string | undefined;
}

const tunnelTimeoutMs = 5000;

export function jwksRequest({ caFile, tokenFile, proxy }: JwksAccess): FetchImplementation {
  return async (url, { headers, signal }) => {
    const ca = caFile === undefined ? undefined : await readFile(caFile, 'utf8');
    const token = tokenFile === undefined ? undefined : (await readFile(tokenFile, 'utf8')).trim();
    const giveUp = signal ?? new AbortController().signal;
    const tunnel = await tunnelTo(new URL(url), { proxy }, tunnelTimeoutMs, giveUp);
    const isSecure = url.startsWith('https:');
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const send = isSecure ? httpsRequest : httpRequest;
      const request = send(url, {
        headers: {
          ...Object.fromEntries(headers),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        signal,
        ...(tunnel === undefined ? { agent: false } : { createConnection: connectionOver(tunnel, isSecure) }),
        ...(ca === undefined ? {} : { ca }),
      });
      request.once('error', reject);
      request.once('response', resolve);
      request.end();
    });
    const body = Readable.toWeb(response) as ReadableStream<Uint8Array>;
    return new Response(body, { status: response.statusCode ?? 500 });
  };
}
