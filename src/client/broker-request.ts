// One HTTP request to the broker for something to read. Must never put the token anywhere but its header.

import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import type { Socket } from 'node:net';
import type * as z from 'zod';
import { type BrokerAccess, type Credentials, credentialsOf } from '../link/broker-access.ts';
import { connectionOver } from '../link/broker-socket.ts';
import { linkUrl } from '../link/link-url.ts';
import { tunnelTo } from '../link/proxy-tunnel.ts';
import { unreachable } from '../link/unreachable.ts';
import { FairleadError } from '../protocol/errors.ts';
import { type BrokerAnswer, readAnswer } from './broker-answer.ts';

const tunnelTimeoutMs = 10_000;
const mostBytes = 16 * 1024 * 1024;

/**
 * What the broker answers at `path`, checked by `schema`.
 *
 * @throws FairleadError ERR_UNAUTHORIZED, ERR_FORBIDDEN, ERR_NODE_UNREACHABLE (nothing is there), ERR_CONFIG (the
 *   question was none), ERR_RATE_LIMIT, ERR_DRAINING, ERR_BROKER_UNREACHABLE
 */
export async function requestBroker<Schema extends z.core.$ZodType>(
  access: BrokerAccess,
  path: string,
  query: Record<string, string>,
  schema: Schema,
  signal: AbortSignal,
): Promise<z.infer<Schema>> {
  const url = linkUrl(access, path, query);
  url.protocol = url.protocol === 'wss:' ? 'https:' : 'http:';
  let answer: BrokerAnswer;
  const credentials = await credentialsOf(access);
  try {
    const tunnel = await tunnelTo(url, access, tunnelTimeoutMs, signal);
    answer = await get(url, credentials, tunnel, signal);
  } catch (cause) {
    if (!signal.aborted) throw unreachable(cause, url.host);
    const message = `the broker at ${url.host} cannot be reached: no answer in time`;
    throw new FairleadError('ERR_BROKER_UNREACHABLE', message, { cause });
  }
  return readAnswer(answer, url, credentials.token === undefined ? 'certificate' : 'token', schema);
}

function get(
  url: URL,
  credentials: Credentials,
  tunnel: Socket | undefined,
  signal: AbortSignal,
): Promise<BrokerAnswer> {
  return new Promise((resolve, reject) => {
    const isSecure = url.protocol === 'https:';
    const send = isSecure ? httpsRequest : httpRequest;
    const headers = { ...credentials.headers, accept: 'application/json' };
    const way = tunnel ? { createConnection: connectionOver(tunnel, isSecure) } : { agent: false };
    const request = send(url, { headers, signal, ...way, ...credentials.tls });
    request.once('error', reject);
    request.once('response', (response) => {
      readBody(response).then((body) => resolve({ status: response.statusCode ?? 0, body }), reject);
    });
    request.end();
  });
}

async function readBody(response: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response) {
    bytes += (chunk as Buffer).length;
    if (bytes > mostBytes) throw new Error('the answer is too long');
    chunks.push(chunk as Buffer);
  }
  return Buffer.concat(chunks).toString();
}
