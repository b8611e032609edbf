// One question to the broker's HTTP API, by fetch. The token goes into its header and nowhere else.

import type * as z from 'zod/mini';
import { type BrokerAnswer, readAnswer } from '../client/broker-answer.ts';
import { type BrokerAccess, credentialsOf } from '../link/broker-access.ts';
import { linkUrl } from '../link/link-url.ts';
import { FairleadError } from '../protocol/errors.ts';

const mostCharacters = 16 * 1024 * 1024;

/**
 * What the broker answers at `path`, checked by `schema`.
 *
 * @throws FairleadError as {@link readAnswer}, and ERR_BROKER_UNREACHABLE where no answer came
 */
export async function askBroker<Schema extends z.core.$ZodType>(
  access: BrokerAccess,
  path: string,
  query: Record<string, string>,
  schema: Schema,
  signal: AbortSignal,
): Promise<z.infer<Schema>> {
  const url = linkUrl(access, path, query);
  url.protocol = url.protocol === 'wss:' ? 'https:' : 'http:';
  const { headers } = await credentialsOf(access);
  return readAnswer(await get(url, headers, signal), url, 'token', schema);
}

async function get(
  url: URL,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<BrokerAnswer> {
  try {
    const response = await fetch(url, {
      headers: { ...headers, accept: 'application/json' },
      signal,
      cache: 'no-store',
      credentials: 'omit',
      redirect: 'error',
      referrerPolicy: 'no-referrer',
    });
    const body = await response.text();
    if (body.length > mostCharacters) throw new Error('the answer is too long');
    return { status: response.status, body };
  } catch (cause) {
    // A browser does not tell a page which of the two it is.
    const why = signal.aborted
      ? 'no answer in time'
      : 'it does not answer, or does not allow the origin of this page';
    throw new FairleadError('ERR_BROKER_UNREACHABLE', `the broker at ${url.host} cannot be reached: ${why}`, {
      cause,
    });
  }
}
