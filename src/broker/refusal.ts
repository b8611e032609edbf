// A request that is turned away: an HTTP status, a code and a message that says what to do. Never holds a token.

import { requestIdHeader } from '../protocol/dial-mark.ts';
import { type ErrorCode, FairleadError } from '../protocol/errors.ts';
import type { RefusalReason } from './counters.ts';

interface RefusalKind {
  readonly status: number;
  readonly code: ErrorCode;
}

/** What each reason is answered with. */
export const refusalKinds: Readonly<Record<RefusalReason, RefusalKind>> = {
  'not-found': { status: 404, code: 'ERR_PROTOCOL' },
  'node-away': { status: 404, code: 'ERR_NODE_UNREACHABLE' },
  draining: { status: 503, code: 'ERR_DRAINING' },
  origin: { status: 403, code: 'ERR_FORBIDDEN' },
  'keys-away': { status: 503, code: 'ERR_BROKER_UNREACHABLE' },
  unauthorized: { status: 401, code: 'ERR_UNAUTHORIZED' },
  'bad-request': { status: 400, code: 'ERR_PROTOCOL' },
  'not-an-upgrade': { status: 426, code: 'ERR_PROTOCOL' },
  forbidden: { status: 403, code: 'ERR_FORBIDDEN' },
  'upgrade-timeout': { status: 408, code: 'ERR_PROTOCOL' },
  'session-taken': { status: 403, code: 'ERR_PRINCIPAL' },
  'session-limit': { status: 429, code: 'ERR_RATE_LIMIT' },
  'principal-limit': { status: 429, code: 'ERR_RATE_LIMIT' },
  'address-limit': { status: 429, code: 'ERR_RATE_LIMIT' },
  'request-rate': { status: 429, code: 'ERR_RATE_LIMIT' },
  'auth-failures': { status: 429, code: 'ERR_RATE_LIMIT' },
  overloaded: { status: 503, code: 'ERR_RATE_LIMIT' },
  'refused-by-agent': { status: 403, code: 'ERR_FORBIDDEN' },
};

export class Refusal extends FairleadError {
  readonly why: RefusalReason;
  readonly status: number;
  /** Who was refused, where the token said so. */
  principal: string | undefined;
  /** When to come back, in seconds. */
  readonly #retryAfter: number;

  constructor(why: RefusalReason, message: string, retryAfter = 1) {
    super(refusalKinds[why].code, message);
    this.why = why;
    this.status = refusalKinds[why].status;
    this.#retryAfter = retryAfter;
  }

  /** `request`: what the request is known by. */
  toResponse(request?: string): Response {
    const headers: Record<string, string> = {};
    if (request !== undefined) headers[requestIdHeader] = request;
    // RFC 9110 §11.6.1: a 401 says how to authenticate.
    if (this.status === 401) headers['www-authenticate'] = 'Bearer';
    if (this.status === 503 || this.status === 429) headers['retry-after'] = String(this.#retryAfter);
    if (this.status === 426) headers.upgrade = 'websocket';
    return errorResponse(this.status, this.code, this.message, headers);
  }
}

export function errorResponse(
  status: number,
  code: ErrorCode,
  message: string,
  headers: Record<string, string> = {},
): Response {
  return Response.json({ error: { code, message } }, { status, headers });
}
