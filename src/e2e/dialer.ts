// The dialer's end of encryption, for all nodes: its identity, whose keys it takes, and the tickets that agents gave.
// There is no way from here to a stream that is not encrypted.

import { createSecureContext, type SecureContext } from 'node:tls';
import type { Stream, StreamHandler } from '../protocol/stream.ts';
import { DialedStream, type Ticket } from './dialed-stream.ts';
import { type Credentials, credentialsOf, type E2eDialerOptions } from './options.ts';
import { tlsVersions } from './sealed-stream.ts';
import { verifyAgent } from './verify.ts';

/** Nodes whose last ticket is kept. */
const maxTickets = 1024;

export class E2eDialer {
  readonly spareStreams: number;
  readonly #credentials: () => Credentials;
  readonly #forget: (() => void) | undefined;
  readonly #live = new Set<DialedStream>();
  #made: { readonly for: Credentials; readonly context: SecureContext } | undefined;
  /** By node; void with the credentials that they came under. */
  readonly #tickets = new Map<string, Ticket>();

  /** @throws FairleadError ERR_CONFIG where a key, a list of peers or an authority is malformed */
  constructor(options: E2eDialerOptions) {
    this.spareStreams = options.spareStreams ?? 1;
    this.#credentials = credentialsOf(options);
    this.#context();
    this.#forget = options.onChange?.(() => {
      for (const stream of [...this.#live]) stream.verifyAgain();
    });
  }

  /** Those begun that have not ended, spares included. */
  get streamCount(): number {
    return this.#live.size;
  }

  /** Begins a stream to an agent of the node. @throws whatever `open` throws, and ERR_CONFIG as the constructor */
  begin(
    node: string,
    open: (handler: StreamHandler) => Stream,
    events: { readonly ready: (stream: DialedStream) => void; readonly gone: (stream: DialedStream) => void },
  ): DialedStream {
    const context = this.#context();
    const stream = DialedStream.begin(open, {
      node,
      context,
      ticket: this.#tickets.get(node),
      verify: (shown) => verifyAgent(this.#credentials(), shown, node),
      newTicket: (ticket) => {
        if (this.#made?.context === context) this.#keep(node, ticket);
      },
      ready: events.ready,
      gone: (gone) => {
        this.#live.delete(gone);
        events.gone(gone);
      },
    });
    this.#live.add(stream);
    return stream;
  }

  /** Ends streams that were begun under credentials which have changed since. */
  dropOutdated(streams: Iterable<DialedStream>): void {
    const context = this.#context();
    for (const stream of [...streams]) if (stream.context !== context) stream.drop();
  }

  close(): void {
    this.#forget?.();
    this.#tickets.clear();
  }

  /** One as long as nothing has changed: making it takes longer than a handshake. */
  #context(): SecureContext {
    const now = this.#credentials();
    if (this.#made?.for !== now) {
      const { identity, trusted } = now;
      const context = createSecureContext({
        ...tlsVersions,
        key: identity.pem,
        cert: identity.pem,
        ...('ca' in trusted ? { ca: trusted.ca } : {}),
      });
      this.#made = { for: now, context };
      this.#tickets.clear();
    }
    return this.#made.context;
  }

  /** A ticket may be used more than once: each use has a key exchange of its own, and no early data. */
  #keep(node: string, ticket: Ticket): void {
    this.#tickets.delete(node);
    this.#tickets.set(node, ticket);
    const [oldest] = this.#tickets.keys();
    if (this.#tickets.size > maxTickets && oldest !== undefined) this.#tickets.delete(oldest);
  }
}
