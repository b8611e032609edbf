// The closed list of what can go wrong, as codes that callers can match and peers can carry.
// Nothing here may hold a secret: messages travel to peers and into logs.

/** Codes that cross the wire in RESET and GOAWAY, with their numbers (docs/protocol.md, "Codes"). */
export const wireCodes = {
  ERR_STREAM_GONE: 1,
  ECONNREFUSED: 2,
  ETIMEDOUT: 3,
  EHOSTUNREACH: 4,
  ENETUNREACH: 5,
  ENOTFOUND: 6,
  ECONNRESET: 7,
  EPIPE: 8,
  ERR_TARGET_DENIED: 9,
  ERR_GRANT_DENIED: 10,
  ERR_STREAM_LIMIT: 11,
  ERR_FLOW_CONTROL: 12,
  ERR_PROTOCOL: 13,
  ERR_DRAINING: 14,
  ERR_RESUME_TIMEOUT: 15,
  ERR_SESSION_LOST: 16,
  ERR_BUFFER_LIMIT: 17,
  ERR_ABORTED: 18,
  ERR_RATE_LIMIT: 19,
  ERR_TARGET_FAILED: 20,
  ERR_PRINCIPAL: 21,
  ERR_STOPPED: 22,
  ERR_E2E: 23,
} as const;

export type WireCode = keyof typeof wireCodes;

/** Codes that no peer sends. */
const localCodes = [
  'ERR_NODE_UNREACHABLE',
  'ERR_BROKER_UNREACHABLE',
  'ERR_UNAUTHORIZED',
  'ERR_FORBIDDEN',
  'ERR_CLOSED',
  'ERR_CONFIG',
] as const;

/**
 * Every code a {@link FairleadError} can have. Codes without the `ERR_` prefix are Node's own and mean
 * what they mean there, seen from the agent.
 */
export type ErrorCode = WireCode | (typeof localCodes)[number];

export const errorCodes: readonly ErrorCode[] = [...(Object.keys(wireCodes) as WireCode[]), ...localCodes];

/** What went wrong: `code` is from a closed list, for programs; the message says what to do, for people. */
export class FairleadError extends Error {
  override readonly name = 'FairleadError';
  readonly code: ErrorCode;
  /** Of the dial that failed, as every log on its way has it. */
  readonly requestId: string | undefined;

  constructor(code: ErrorCode, message: string, options?: { cause?: unknown; requestId?: string }) {
    super(message, options);
    this.code = code;
    this.requestId = options?.requestId;
  }

  /** The same of one dial: what ends a link fails many. */
  ofRequest(requestId: string): FairleadError {
    if (this.requestId !== undefined) return this;
    const error = new FairleadError(this.code, this.message, {
      ...('cause' in this ? { cause: this.cause } : {}),
      requestId,
    });
    if (this.stack !== undefined) error.stack = this.stack;
    return error;
  }
}

const nameByNumber = new Map<number, WireCode>(
  Object.entries(wireCodes).map(([name, number]) => [number, name as WireCode]),
);

/** The name of a code that came over the wire; one that this version does not know is ERR_TARGET_FAILED. */
export function wireCodeName(number: number): WireCode {
  return nameByNumber.get(number) ?? 'ERR_TARGET_FAILED';
}

/**
 * WebSocket close codes that Fairlead gives (RFC 6455 §7.4.2: 4000 to 4999 are an application's own).
 * `shutdown`, `unsupported` and `tooBig` are the RFC's (§7.4.1).
 */
export const closeCodes = {
  shutdown: 1001,
  unsupported: 1003,
  tooBig: 1009,
  protocol: 4400,
  unauthorized: 4401,
  forbidden: 4403,
  keepAlive: 4408,
  replaced: 4409,
  slowReader: 4413,
  limit: 4429,
} as const;
