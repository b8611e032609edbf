// What became of a dial, in the words of those who asked: an HTTP status and reason, a SOCKS5 reply. The one table
// for CONNECT, SOCKS5 and the proxy paths. Must never pass on a character that could forge a header.

import { type ErrorCode, FairleadError } from '../protocol/errors.ts';

/** RFC 1928 §6. */
export const socksReplies = {
  succeeded: 0x00,
  generalFailure: 0x01,
  notAllowed: 0x02,
  networkUnreachable: 0x03,
  hostUnreachable: 0x04,
  connectionRefused: 0x05,
  ttlExpired: 0x06,
  commandNotSupported: 0x07,
  addressTypeNotSupported: 0x08,
} as const;

type SocksReply = (typeof socksReplies)[keyof typeof socksReplies];

const answers: Readonly<Record<ErrorCode, readonly [status: number, reply: SocksReply]>> = {
  // What was asked for is none.
  ERR_CONFIG: [400, socksReplies.generalFailure],
  // A rule says no: the token's, the agent's, the broker's.
  ERR_GRANT_DENIED: [403, socksReplies.notAllowed],
  ERR_TARGET_DENIED: [403, socksReplies.notAllowed],
  ERR_FORBIDDEN: [403, socksReplies.notAllowed],
  ERR_PRINCIPAL: [403, socksReplies.notAllowed],
  // The agent is not who it should be, or does not take this dialer for who it should be.
  ERR_E2E: [403, socksReplies.notAllowed],
  // Nobody is there to ask.
  ERR_NODE_UNREACHABLE: [404, socksReplies.hostUnreachable],
  // The target, as the agent found it.
  ECONNREFUSED: [502, socksReplies.connectionRefused],
  ECONNRESET: [502, socksReplies.generalFailure],
  EHOSTUNREACH: [502, socksReplies.hostUnreachable],
  ENETUNREACH: [502, socksReplies.networkUnreachable],
  ENOTFOUND: [502, socksReplies.hostUnreachable],
  EPIPE: [502, socksReplies.generalFailure],
  ERR_TARGET_FAILED: [502, socksReplies.generalFailure],
  ERR_STREAM_GONE: [502, socksReplies.generalFailure],
  // A peer that does not keep to the protocol.
  ERR_FLOW_CONTROL: [502, socksReplies.generalFailure],
  ERR_PROTOCOL: [502, socksReplies.generalFailure],
  // The way there is not to be had now. ERR_UNAUTHORIZED is about the gateway's own token, never the client's.
  ERR_ABORTED: [503, socksReplies.generalFailure],
  ERR_BROKER_UNREACHABLE: [503, socksReplies.generalFailure],
  ERR_BUFFER_LIMIT: [503, socksReplies.generalFailure],
  ERR_CLOSED: [503, socksReplies.generalFailure],
  ERR_DRAINING: [503, socksReplies.generalFailure],
  ERR_RATE_LIMIT: [503, socksReplies.generalFailure],
  ERR_SESSION_LOST: [503, socksReplies.generalFailure],
  ERR_STOPPED: [503, socksReplies.generalFailure],
  ERR_STREAM_LIMIT: [503, socksReplies.generalFailure],
  ERR_UNAUTHORIZED: [503, socksReplies.generalFailure],
  // It took too long.
  ERR_RESUME_TIMEOUT: [504, socksReplies.ttlExpired],
  ETIMEDOUT: [504, socksReplies.ttlExpired],
};

export interface Outcome {
  /** HTTP status, 400 to 504. */
  readonly status: number;
  readonly code: string;
  /** Printable ASCII in one line, at most 200 characters, with the code where the message does not have it. */
  readonly reason: string;
  readonly socksReply: SocksReply;
}

/** What to answer for an error that a dial ended with. One that is not of the closed list is ours: 500. */
export function outcomeOf(error: unknown): Outcome {
  if (!(error instanceof FairleadError)) return refused(500, 'ERR_CLOSED', 'the gateway failed: see its log');
  const [status, socksReply] = answers[error.code];
  return refused(status, error.code, error.message, socksReply);
}

/** An answer of the gateway's own. */
export function refused(
  status: number,
  code: ErrorCode,
  message: string,
  socksReply: SocksReply = socksReplies.generalFailure,
): Outcome {
  const reason = printable(message.includes(code) ? message : `${message} (${code})`);
  return { status, code, reason, socksReply };
}

const longestReason = 200;

/** RFC 9110 §15.1 lets a reason phrase be any text; what arrives safely everywhere is printable ASCII. */
function printable(text: string): string {
  return text
    .slice(0, longestReason)
    .replace(/[^\x20-\x7e]+/g, ' ')
    .trim();
}
