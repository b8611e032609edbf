// One HTTP request to the broker for something to read. Must never put the token anywhere but its header.

import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import * as z from 'zod';
import { type BrokerAccess, type Credentials, credentialsOf } from '../link/broker-access.ts';
import { linkUrl } from '../link/link-url.ts';
import { unreachable } from '../link/unreachable.ts';
import { type ErrorCode, FairleadError } from '../protocol/errors.ts';

const mostBytes = 16 * 1024 * 1024;

/** How a broker says no (docs/protocol.md). */
const refusalSchema = z.object({ error: z.object({ code: z.string(), message: z.string().max(1024) }) });

/** What a status means where the request itself was in order. */
const codesByStatus: Readonly<Record<number, ErrorCode>> = {
  400: 'ERR_CONFIG',
  401: 'ERR_UNAUTHORIZED',
  403: 'ERR_FORBIDDEN',
  404: 'ERR_NODE_UNREACHABLE',
  429: 'ERR_RATE_LIMIT',
  503: 'ERR_BROKER_UNREACHABLE',
};

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
  let answer: { status: number; body: string };
  const credentials = await credentialsOf(access);
  try {
    answer = await get(url, credentials, signal);
  } catch (cause) {
    if (!signal.aborted) throw unreachable(cause, url.host);
    const message = `the broker at ${url.host} cannot be reached: no answer in time`;
    throw new FairleadError('ERR_BROKER_UNREACHABLE', message, { cause });
  }
  const body = parseJson(answer.body);
  if (answer.status !== 200) throw refusalOf(answer.status, body, url, credentials);
  const parsed = z.safeParse(schema, body);
  if (!parsed.success) throw notABroker(url, answer.status);
  return parsed.data;
}

function refusalOf(status: number, body: unknown, url: URL, { token }: Credentials): FairleadError {
  const code = codesByStatus[status];
  const refusal = refusalSchema.safeParse(body);
  if (code === undefined || (!refusal.success && status !== 401 && status !== 403))
    return notABroker(url, status);
  const shown = token === undefined ? 'certificate' : 'token';
  const { code: said = '', message = `this ${shown} may not ask for it` } = refusal.data?.error ?? {};
  if (status === 401)
    return new FairleadError(
      'ERR_UNAUTHORIZED',
      `the broker refused the ${shown}: ${refusal.success ? message : `HTTP ${status}`}`,
    );
  if (status === 404 && said !== code) return notABroker(url, status);
  return new FairleadError(status === 503 && said === 'ERR_DRAINING' ? said : code, message);
}

function notABroker(url: URL, status: number): FairleadError {
  return new FairleadError(
    'ERR_BROKER_UNREACHABLE',
    `what answers at ${url.host} is not a Fairlead broker (HTTP ${status})`,
  );
}

function get(
  url: URL,
  credentials: Credentials,
  signal: AbortSignal,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const headers = { ...credentials.headers, accept: 'application/json' };
    const request = send(url, { headers, signal, agent: false, ...credentials.tls });
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
