// Encrypted streams over one node's session, with a few kept ahead of their use: a stream whose handshake is done
// costs its dial no round trip. Spares end with the session, or when nobody wants them.

import type { DialedStream } from '../e2e/dialed-stream.ts';
import type { E2eDialer } from '../e2e/dialer.ts';
import type { OpenRequest } from '../protocol/open.ts';
import type { ByteStream, Stream, StreamHandler } from '../protocol/stream.ts';

/** How long a spare may wait for its use, in ms: half of what an agent allows, so that the agent never ends one first. */
const spareMs = 60_000;

/** The session below, which does not know what is inside its streams. */
export interface OuterSession {
  readonly takesDials: boolean;
  /** Streams among its own that nobody uses: they do not keep it. */
  spareStreams: number;
  openSealed(handler: StreamHandler, timeoutMs: number): Stream;
}

export class SealedStreams {
  readonly #node: string;
  readonly #session: OuterSession;
  readonly #dialer: E2eDialer;
  /** Longest that a spare may take to be ready, in ms. */
  readonly #handshakeMs: number;
  /** Oldest first, each with the timer of its end. */
  readonly #spares = new Map<DialedStream, NodeJS.Timeout>();

  constructor(node: string, session: OuterSession, dialer: E2eDialer, handshakeMs: number) {
    this.#node = node;
    this.#session = session;
    this.#dialer = dialer;
    this.#handshakeMs = handshakeMs;
  }

  /** @throws FairleadError where the session takes no more streams */
  open(request: OpenRequest, handler: StreamHandler, timeoutMs: number): ByteStream {
    const stream = this.#takeSpare() ?? this.#begin(timeoutMs);
    stream.ask(request, handler, timeoutMs);
    return stream;
  }

  #begin(timeoutMs: number): DialedStream {
    return this.#dialer.begin(this.#node, (handler) => this.#session.openSealed(handler, timeoutMs), {
      ready: () => this.#fill(),
      gone: (stream) => this.#forget(stream),
    });
  }

  /** The one that has come furthest: even one that still shakes hands is ahead of a new one. */
  #takeSpare(): DialedStream | undefined {
    this.#dialer.dropOutdated(this.#spares.keys());
    const [oldest] = this.#spares.keys();
    if (oldest === undefined) return undefined;
    this.#forget(oldest);
    // Another for the next dial, once this one's request is on its way.
    if (oldest.isReady) setImmediate(() => this.#fill());
    return oldest;
  }

  /** An agent has been verified, so that more handshakes are not in vain. */
  #fill(): void {
    while (this.#spares.size < this.#dialer.spareStreams && this.#session.takesDials) {
      let spare: DialedStream;
      try {
        spare = this.#begin(this.#handshakeMs);
      } catch {
        // It was only ahead: the next dial is told why.
        return;
      }
      this.#spares.set(spare, setTimeout(() => spare.drop(), spareMs).unref());
      this.#session.spareStreams += 1;
    }
  }

  #forget(stream: DialedStream): void {
    const timer = this.#spares.get(stream);
    if (timer === undefined) return;
    clearTimeout(timer);
    this.#spares.delete(stream);
    this.#session.spareStreams -= 1;
  }
}
