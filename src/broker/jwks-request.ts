// Gets a JWK set from a server that wants a certificate authority or a token of its own, as a Kubernetes API server
// does. Reads both files at each request, so that rotated ones are used; shows the token to that server only.

import { readFile } from 'node:fs/promises';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { Readable } from 'node:stream';
import type { FetchImplementation } from 'jose';

export interface JwksAccess {
  /** PEM of the certificates to trust instead of the system's. */
  readonly caFile: string | undefined;
  readonly tokenFile: string | undefined;
}

export function jwksRequest({ caFile, tokenFile }: JwksAccess): FetchImplementation {
  return async (url, { headers, signal }) => {
    const ca = caFile === undefined ? undefined : await readFile(caFile, 'utf8');
    const token = tokenFile === undefined ? undefined : (await readFile(tokenFile, 'utf8')).trim();
    const response = await new Promise<IncomingMessage>((resolve, reject) => {
      const send = url.startsWith('https:') ? httpsRequest : httpRequest;
      const request = send(url, {
        headers: {
          ...Object.fromEntries(headers),
          ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        },
        signal,
        agent: false,
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
