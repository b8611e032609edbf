// A request that goes no further, with the status and the code that its sender gets.

import type { ErrorCode } from '../../protocol/errors.ts';

export class RequestRefused extends Error {
  override readonly name = 'RequestRefused';
  /** HTTP status, 400 to 504. */
  readonly status: number;
  readonly code: ErrorCode;

  constructor(status: number, code: ErrorCode, message: string) {
    super(message);
    this.status = status;
    this.code = code;
  }
}
