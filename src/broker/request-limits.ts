// How many requests, and how many bad tokens, one source may bring. Asked before a token is looked at, so that a
// flood costs a hash and no signature check; what it refuses, it refuses with the time to come back.

import type { IncomingMessage } from 'node:http';
import type { BrokerLimits } from './limits.ts';
import { Refusal } from './refusal.ts';
import type { Sources } from './source.ts';
import { SourceRate } from './source-rate.ts';

const failureWindowSeconds = 60;

export class RequestLimits {
  readonly #sources: Sources;
  readonly #requests: SourceRate;
  readonly #failures: SourceRate;

  constructor(limits: Pick<BrokerLimits, 'maxRequestsPerSecond' | 'maxAuthFailures'>, sources: Sources) {
    this.#sources = sources;
    this.#requests = new SourceRate(limits.maxRequestsPerSecond, 1);
    this.#failures = new SourceRate(limits.maxAuthFailures, failureWindowSeconds);
  }

  sourceOf(incoming: IncomingMessage): string {
    return this.#sources.ofRequest(incoming.socket.remoteAddress ?? '', incoming.headers);
  }

  /** The address of whoever sent it, for people. */
  addressOf(incoming: IncomingMessage): string {
    return this.#sources.addressOf(incoming.socket.remoteAddress ?? '', incoming.headers);
  }

  /** The client of a trusted proxy, or undefined where the peer is none. */
  proxiedSourceOf(incoming: IncomingMessage): string | undefined {
    const isProxied = this.#sources.isProxy(incoming.socket.remoteAddress ?? '');
    return isProxied ? this.sourceOf(incoming) : undefined;
  }

  /** Counts one request. @throws Refusal 429 */
  async check(source: string): Promise<void> {
    const waitMs = await this.#requests.take(source);
    if (waitMs > 0) throw tooMany('request-rate', 'too many requests from this address', waitMs);
    const lockedMs = await this.#failures.waitMs(source);
    if (lockedMs > 0) throw tooMany('auth-failures', 'too many bad tokens from this address', lockedMs);
  }

  /** The token that `source` brought was refused. */
  async failed(source: string): Promise<void> {
    await this.#failures.take(source);
  }
}

function tooMany(why: 'request-rate' | 'auth-failures', what: string, waitMs: number): Refusal {
  const seconds = Math.ceil(waitMs / 1000);
  return new Refusal(why, `${what}: come back in ${seconds} s`, seconds);
}
