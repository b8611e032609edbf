// One HTTP request without a token, and all of its answer: whoever answers may be anybody.

import { request as httpRequest, type IncomingHttpHeaders } from 'node:http';
import { request as httpsRequest, type RequestOptions } from 'node:https';

export interface ProbeAnswer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  /** The beginning of it. */
  readonly body: string;
  /** This machine's time half-way between request and answer, in ms since the epoch. */
  readonly atMs: number;
}

const maxBytes = 65_536;

export function probe(url: URL, options: RequestOptions, timeoutMs: number): Promise<ProbeAnswer> {
  return new Promise((resolve, reject) => {
    const sentMs = Date.now();
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const way = options.createConnection === undefined ? { agent: false } : {};
    const request = send(url, { ...way, ...options, headers: { accept: 'application/json' } });
    const timer = setTimeout(() => request.destroy(new Error('no answer in time')), timeoutMs);
    request.once('error', reject).once('close', () => clearTimeout(timer));
    request.once('response', (response) => {
      const atMs = (sentMs + Date.now()) / 2;
      let body = '';
      response.setEncoding('utf8');
      const done = (): void => {
        request.destroy();
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body, atMs });
      };
      response.on('data', (chunk: string) => {
        body += chunk;
        if (body.length > maxBytes) done();
      });
      response.once('end', done).once('error', reject);
    });
    request.end();
  });
}
