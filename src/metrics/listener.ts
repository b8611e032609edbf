// A listener that serves /metrics and nothing else. It asks nobody who they are: whoever names its address decides
// who can reach it.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { metricsPath } from './path.ts';
import type { Metrics } from './registry.ts';

/** Scrapers are few; what is slower than this is none. */
const maxConnections = 64;
const patienceMs = 5000;

export interface MetricsListener {
  readonly address: AddressInfo;
  close(): Promise<void>;
}

/** @throws Node's own error where the address cannot be listened on */
export async function serveMetrics(
  at: { readonly host: string; readonly port: number },
  metrics: Metrics,
): Promise<MetricsListener> {
  const server = createServer(
    { headersTimeout: patienceMs, requestTimeout: patienceMs, connectionsCheckingInterval: patienceMs / 4 },
    (request, response) => void answer(request, response, metrics),
  );
  server.maxConnections = maxConnections;
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(at.port, at.host, () => {
      server.off('error', reject);
      resolve();
    });
  });
  return {
    // A server that listens on a host and port has an address of this kind.
    address: server.address() as AddressInfo,
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      server.closeAllConnections();
      return closed;
    },
  };
}

async function answer(
  { method, url = '' }: IncomingMessage,
  response: ServerResponse,
  metrics: Metrics,
): Promise<void> {
  if (url.split('?', 1)[0] !== metricsPath) {
    response.writeHead(404).end();
  } else if (method !== 'GET' && method !== 'HEAD') {
    response.writeHead(405, { allow: 'GET, HEAD' }).end();
  } else {
    const text = await metrics.render();
    response.writeHead(200, { 'content-type': metrics.contentType }).end(method === 'HEAD' ? '' : text);
  }
}
