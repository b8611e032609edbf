// What dialers and agents need of a tracer. Without a collector there is none, and nothing is made; what is told is never
// a byte of a stream, a token or a header.

import { FairleadError } from '../protocol/errors.ts';

/** What a span says: names and addresses, as far as the log has them, too. */
interface DialAttributes {
  readonly host: string;
  readonly port: number;
  readonly node: string | undefined;
  /** The request id. */
  readonly id: string | undefined;
  readonly session?: string;
}

interface DialSpan {
  /** For those further on, as W3C Trace Context has it; undefined where nothing is traced. */
  readonly traceparent: string | undefined;
  /** `errorType`: a code of the closed list, where it failed. */
  end(errorType: string | undefined): void;
}

export interface DialTracer {
  /** `traceparent`: of what it is part of, where that is known. */
  begin(
    name: string,
    kind: 'client' | 'server',
    traceparent: string | undefined,
    attributes: DialAttributes,
  ): DialSpan;
}

const noSpan: DialSpan = { traceparent: undefined, end() {} };

export const noTracer: DialTracer = { begin: () => noSpan };

export function errorTypeOf(error: unknown): string {
  return error instanceof FairleadError ? error.code : 'other';
}
