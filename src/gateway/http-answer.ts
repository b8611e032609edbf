// Heads and bodies of the answers that the gateway gives over HTTP/1.1 itself.

import { STATUS_CODES } from 'node:http';
import type { Outcome } from './outcome.ts';

/** RFC 9110 §9.3.6: no Content-Length and no body; the tunnel begins after the blank line. */
export const connectionEstablished = Buffer.from('HTTP/1.1 200 Connection established\r\n\r\n', 'latin1');

/** The cause is in the reason phrase, because some clients show nothing else, and in a body for the others. */
export function refusal(outcome: Outcome, headers: Readonly<Record<string, string>> = {}): Buffer {
  const { status, code, reason } = outcome;
  const body = `${JSON.stringify({ error: { code, message: reason } })}\n`;
  const lines = [
    `HTTP/1.1 ${status} ${reason === '' ? (STATUS_CODES[status] ?? 'Refused') : reason}`,
    ...Object.entries(headers).map(([name, value]) => `${name}: ${value}`),
    'Content-Type: application/json',
    `Content-Length: ${Buffer.byteLength(body)}`,
    'Connection: close',
  ];
  return Buffer.from(`${lines.join('\r\n')}\r\n\r\n${body}`, 'latin1');
}
