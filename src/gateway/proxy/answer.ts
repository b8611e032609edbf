// Answers of the gateway itself, as JSON for people and scripts. Never shows more than a code of the closed list and
// one line of printable ASCII.

import type { IncomingMessage, ServerResponse } from 'node:http';
import { type Outcome, outcomeOf, refused } from '../outcome.ts';
import { RequestRefused } from './request-refused.ts';

/** What to answer for whatever a request ended with. */
export function answerFor(error: unknown): Outcome {
  return error instanceof RequestRefused
    ? refused(error.status, error.code, error.message)
    : outcomeOf(error);
}

/** Ends the response; its head must not have been sent. */
export function sendAnswer(
  response: ServerResponse,
  answer: Outcome,
  closes: boolean,
  requestId?: string,
): void {
  const { status, code, reason } = answer;
  const body = `${JSON.stringify({ error: { code, message: reason } })}\n`;
  response.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': Buffer.byteLength(body),
    // It is true of this moment only, whatever the target says of its own answers.
    'Cache-Control': 'no-store',
    ...(status === 401 ? { 'WWW-Authenticate': 'Basic realm="fairlead", charset="UTF-8"' } : {}),
    ...(requestId === undefined ? {} : { 'X-Request-Id': requestId }),
    ...(closes ? { Connection: 'close' } : {}),
  });
  response.end(body);
}

/** How long the rest of a request that has been answered may take, in ms. */
const leftoverMs = 5_000;

/** Reads and drops what is still to come of a request that has been answered, for a limited time. */
export function discardRest(request: IncomingMessage): void {
  if (request.complete) return;
  request.resume();
  const timer = setTimeout(() => request.socket.destroy(), leftoverMs).unref();
  for (const event of ['end', 'close']) request.once(event, () => clearTimeout(timer));
}
