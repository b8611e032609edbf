// What an HTTP answer of the broker means: what was asked for, or why not.

import * as z from 'zod/mini';
import { type ErrorCode, FairleadError } from '../protocol/errors.ts';

export interface BrokerAnswer {
  readonly status: number;
  readonly body: string;
}

/** How a broker says no (docs/protocol.md). */
const refusalSchema = z.object({
  error: z.object({ code: z.string(), message: z.string().check(z.maxLength(1024)) }),
});

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
 * What `schema` makes of the body. `shown` says who asked.
 *
 * @throws FairleadError ERR_UNAUTHORIZED, ERR_FORBIDDEN, ERR_NODE_UNREACHABLE (nothing is there), ERR_CONFIG (the
 *   question was none), ERR_RATE_LIMIT, ERR_DRAINING, ERR_BROKER_UNREACHABLE
 */
export function readAnswer<Schema extends z.core.$ZodType>(
  { status, body }: BrokerAnswer,
  url: URL,
  shown: 'token' | 'certificate',
  schema: Schema,
): z.infer<Schema> {
  const value = parseJson(body);
  if (status !== 200) throw refusalOf(status, value, url, shown);
  const parsed = z.safeParse(schema, value);
  if (!parsed.success) throw notABroker(url, status);
  return parsed.data;
}

function refusalOf(status: number, body: unknown, url: URL, shown: string): FairleadError {
  const code = codesByStatus[status];
  const refusal = refusalSchema.safeParse(body);
  if (code === undefined || (!refusal.success && status !== 401 && status !== 403))
    return notABroker(url, status);
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

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
