// Where a broker's URL leads. Must never let a token go out unencrypted by mistake, nor into the URL.

import { FairleadError } from '../protocol/errors.ts';
import type { BrokerAccess } from './broker-access.ts';
import { isLoopback } from './loopback.ts';

/**
 * @throws FairleadError ERR_CONFIG where the URL is none, or would carry a token in the clear
 */
export function linkUrl(access: BrokerAccess, path: string, query: Record<string, string>): URL {
  let url: URL;
  try {
    url = new URL(access.url);
  } catch {
    throw new FairleadError(
      'ERR_CONFIG',
      'the broker URL is not a URL; it looks like wss://broker.example.com',
    );
  }
  if (url.username !== '' || url.password !== '' || url.search !== '' || url.hash !== '') {
    throw new FairleadError('ERR_CONFIG', 'the broker URL must not hold credentials, a query or a fragment');
  }
  const scheme = { 'http:': 'ws:', 'https:': 'wss:', 'ws:': 'ws:', 'wss:': 'wss:' }[url.protocol];
  if (scheme === undefined) {
    throw new FairleadError(
      'ERR_CONFIG',
      `the broker URL begins with ${url.protocol}//, not with wss:// or ws://`,
    );
  }
  url.protocol = scheme;
  if (scheme === 'ws:' && !isLoopback(url.hostname) && access.insecure !== true) {
    throw new FairleadError(
      'ERR_CONFIG',
      `ws://${url.host} would carry the token unencrypted: use wss://, or --insecure if you must`,
    );
  }
  if (scheme === 'ws:' && access.token === undefined) {
    throw new FairleadError(
      'ERR_CONFIG',
      `without a token the broker must be at wss://, not at ws://${url.host}: a certificate is shown inside TLS`,
    );
  }
  url.pathname = `${url.pathname.replace(/\/+$/, '')}${path}`;
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url;
}
