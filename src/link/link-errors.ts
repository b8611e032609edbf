// What the end of a link means: an HTTP answer in place of an upgrade, or a close code.

import { printable } from '../files/printable.ts';
import { closeCodes, FairleadError } from '../protocol/errors.ts';

/** `shown` says who called. */
export function refusalError(status: number, body: string, shown: 'token' | 'certificate'): FairleadError {
  let message = '';
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'error' in parsed) {
      const { error } = parsed as { error: { message?: unknown } };
      if (typeof error?.message === 'string') message = printable(error.message, 256);
    }
  } catch {
    // Whatever answered is not a broker; the status says enough.
  }
  const said = message === '' ? `HTTP ${status}` : message;
  if (status === 401)
    return new FairleadError('ERR_UNAUTHORIZED', `the broker refused the ${shown}: ${said}`);
  if (status === 403) return new FairleadError('ERR_FORBIDDEN', `the broker refused: ${said}`);
  if (status === 400) return new FairleadError('ERR_CONFIG', `the broker refused the request: ${said}`);
  if (status === 404) return new FairleadError('ERR_BROKER_UNREACHABLE', `no broker at this URL: ${said}`);
  return new FairleadError('ERR_BROKER_UNREACHABLE', `the broker is not ready: ${said}`);
}

export function closeError(code: number, reason: string): FairleadError {
  const said = reason === '' ? `close code ${code}` : `${printable(reason, 123)} (${code})`;
  if (code === closeCodes.unauthorized)
    return new FairleadError('ERR_UNAUTHORIZED', `the broker ended the link: ${said}`);
  if (code === closeCodes.forbidden)
    return new FairleadError('ERR_FORBIDDEN', `the broker ended the link: ${said}`);
  if (code === closeCodes.protocol)
    return new FairleadError('ERR_PROTOCOL', `the broker ended the link: ${said}`);
  return new FairleadError('ERR_BROKER_UNREACHABLE', `the link was lost: ${said}`);
}
