// One HTTP request for the nodes that the broker knows. Must never put the token anywhere but its header.

import { request as httpRequest, type IncomingMessage } from 'node:http';
import { request as httpsRequest } from 'node:https';
import * as z from 'zod';
import { type BrokerAccess, linkUrl } from '../link/link.ts';
import { FairleadError } from '../protocol/errors.ts';

const instanceSchema = z.object({
  instance: z.string(),
  version: z.string().nullable(),
  /** When its link was opened, ISO 8601. */
  since: z.string(),
  /** True while it takes no new streams. */
  draining: z.boolean(),
  /** Sessions whose dialer is connected. */
  sessions: z.number(),
});
const nodeSchema = z.object({ node: z.string(), instances: z.array(instanceSchema) });
const answerSchema = z.object({ nodes: z.array(nodeSchema) });

/** A node that an agent serves, with the agents that do, the oldest link first. */
export type NodeInfo = z.infer<typeof nodeSchema>;

const mostBytes = 16 * 1024 * 1024;

/** @throws FairleadError ERR_UNAUTHORIZED, ERR_FORBIDDEN, ERR_BROKER_UNREACHABLE */
export async function requestNodes(access: BrokerAccess, signal: AbortSignal): Promise<NodeInfo[]> {
  const url = linkUrl(access, '/v1/nodes', {});
  url.protocol = url.protocol === 'wss:' ? 'https:' : 'http:';
  const token = typeof access.token === 'string' ? access.token : await access.token();
  let answer: { status: number; body: string };
  try {
    answer = await get(url, token, access.ca, signal);
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    throw new FairleadError('ERR_BROKER_UNREACHABLE', `the broker at ${url.host} cannot be reached: ${why}`, {
      cause,
    });
  }
  if (answer.status === 401)
    throw new FairleadError('ERR_UNAUTHORIZED', 'the broker does not take this token');
  if (answer.status === 403) throw new FairleadError('ERR_FORBIDDEN', 'this token may not list nodes');
  const parsed = answer.status === 200 ? answerSchema.safeParse(parseJson(answer.body)) : undefined;
  if (parsed?.success !== true)
    throw new FairleadError(
      'ERR_BROKER_UNREACHABLE',
      `what answers at ${url.host} is not a Fairlead broker (HTTP ${answer.status})`,
    );
  return parsed.data.nodes;
}

function get(
  url: URL,
  token: string,
  ca: BrokerAccess['ca'],
  signal: AbortSignal,
): Promise<{ status: number; body: string }> {
  return new Promise((resolve, reject) => {
    const send = url.protocol === 'https:' ? httpsRequest : httpRequest;
    const headers = { authorization: `Bearer ${token}`, accept: 'application/json' };
    const request = send(url, { headers, signal, agent: false, ...(ca === undefined ? {} : { ca }) });
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
