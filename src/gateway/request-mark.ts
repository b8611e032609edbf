// What a client's HTTP request is known by: what it says itself, where that is well-formed, else an id of our own.

import type { IncomingMessage } from 'node:http';
import { nanoid } from 'nanoid';
import { type DialMark, requestIdHeader, requestIdOf, traceparentOf } from '../protocol/dial-mark.ts';

export function markOf({ headers }: Pick<IncomingMessage, 'headers'>): DialMark & { readonly id: string } {
  return {
    id: requestIdOf(headers[requestIdHeader]) ?? nanoid(),
    traceparent: traceparentOf(headers.traceparent),
  };
}
