// What a dial can be recognised by in the logs and traces of everybody on its way. It is for people: nothing is
// decided by it, and one that is malformed is as good as none.

import * as z from 'zod/mini';

export interface DialMark {
  /** Of the one who asked first: 1 to 64 characters of `A-Z a-z 0-9 _ -`. */
  readonly id?: string | undefined;
  /** W3C Trace Context, version 00. */
  readonly traceparent?: string | undefined;
}

/** Part of the protocol. */
export const requestIdPattern = /^[A-Za-z0-9_-]{1,64}$/;

/** https://www.w3.org/TR/trace-context/#traceparent-header: ids of zeros only are none. */
export const traceparentPattern = /^00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$/;

/** Of HTTP requests and answers. */
export const requestIdHeader = 'x-request-id';

/** `value`, where it is a request id. */
export function requestIdOf(value: unknown): string | undefined {
  return typeof value === 'string' && requestIdPattern.test(value) ? value : undefined;
}

/** `value`, where it is a trace context. */
export function traceparentOf(value: unknown): string | undefined {
  return typeof value === 'string' && traceparentPattern.test(value) ? value : undefined;
}

function lenient(pattern: RegExp) {
  return z.catch(z.optional(z.string().check(z.regex(pattern))), undefined);
}

/** Fields of a payload. */
export const markFields = {
  id: lenient(requestIdPattern),
  traceparent: lenient(traceparentPattern),
};

/** As log lines have it. */
export function markFacts({ id, traceparent }: DialMark): { request?: string; trace?: string } {
  return {
    ...(id === undefined ? {} : { request: id }),
    ...(traceparent === undefined ? {} : { trace: traceparent.slice(3, 35) }),
  };
}
