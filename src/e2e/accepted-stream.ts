// An encrypted stream at the agent: from the handshake, over the dialer's request, to the target's bytes. What the
// target is, and what became of the dial, is said inside only.

import type { TLSSocket } from 'node:tls';
import type { StreamSocket } from '../link/stream-socket.ts';
import type { FairleadError, WireCode } from '../protocol/errors.ts';
import type { RemoteAddress } from '../protocol/open.ts';
import type { Stream, TargetStream } from '../protocol/stream.ts';
import { decodeRequest, encodeGreeting, encodeRefusal, type SealedTarget } from './greeting.ts';
import { asE2e, SealedStream, shownBy } from './sealed-stream.ts';
import type { ShownCertificate, VerifiedPeer } from './verify.ts';

export interface AcceptedStreamSettings {
  /** Longest handshake, in ms. */
  readonly handshakeMs: number;
  /** How long a dialer may then take to say what it wants, in ms. */
  readonly spareMs: number;
  /** @throws FairleadError ERR_E2E where this dialer may not come */
  readonly verify: (shown: ShownCertificate) => VerifiedPeer;
  /** The dialer is known and says what it wants. Set the handler now. */
  readonly asked: (stream: AcceptedStream, target: SealedTarget, peer: VerifiedPeer) => void;
  /** It never came so far; not after an own `reset`. */
  readonly refused: (error: FairleadError) => void;
  /** Once, when it waits for its dialer no longer. */
  readonly settled: (stream: AcceptedStream) => void;
  /** Once, however it ended. */
  readonly gone: (stream: AcceptedStream) => void;
}

export class AcceptedStream extends SealedStream implements TargetStream {
  readonly id: number;
  private readonly settings: AcceptedStreamSettings;
  private shown: ShownCertificate | undefined;
  private answered = false;
  private isAsked = false;
  private timer: NodeJS.Timeout | undefined;

  constructor(outer: Stream, transport: StreamSocket, settings: AcceptedStreamSettings) {
    super(outer, transport);
    this.id = outer.id;
    this.settings = settings;
    this.limit(settings.handshakeMs, () => this.handshakeFailed(new Error('it took too long')));
  }

  /** TLS stands; whose key the dialer has is seen now. */
  handshaken(tls: TLSSocket): void {
    tls.on('error', () => {});
    if (!this.live) {
      tls.destroy();
      return;
    }
    let shown: ShownCertificate;
    try {
      shown = shownBy(tls, tls.getPeerX509Certificate());
    } catch (error) {
      this.handshakeFailed(error);
      return;
    }
    this.secured(tls);
    if (!this.known(shown)) return;
    this.shown = shown;
    this.limit(this.settings.spareMs, () => this.reset('ETIMEDOUT', 'nothing was asked for'));
  }

  handshakeFailed(error: unknown): void {
    this.fail(asE2e(error, 'no encrypted connection with the dialer'));
  }

  accept(remote: RemoteAddress): void {
    if (!this.live || this.answered) return;
    this.answered = true;
    this.say(encodeGreeting(remote));
  }

  /** Until the target stands, code and reason are said inside; after that only a code is, and outside. */
  override reset(code: WireCode, reason: string): void {
    if (!this.live) return;
    if (this.phase === 'handshake' || this.answered) super.reset(code, reason);
    else this.refuse(code, reason);
  }

  /** Whose keys are trusted has changed: ends the stream where the dialer's is not among them any more. */
  verifyAgain(): void {
    if (this.shown === undefined || !this.live) return;
    try {
      this.settings.verify(this.shown);
    } catch (error) {
      this.fail(asE2e(error, 'the dialer'));
    }
  }

  protected override greeted(body: Buffer): void {
    if (this.shown === undefined) return;
    const target = decodeRequest(body);
    this.isAsked = true;
    this.settle();
    // As it is now: a spare may be older than the list.
    const peer = this.known(this.shown);
    if (peer !== undefined) this.settings.asked(this, target, peer);
  }

  protected override over(): void {
    this.settle();
    this.settings.gone(this);
  }

  protected override failed(error: FairleadError): void {
    if (this.isAsked) this.handler.closed(error);
    // A spare that its dialer lets go of is refused nothing.
    else if (error.code === 'ERR_E2E') this.settings.refused(error);
  }

  /** Tells the dialer inside, where it is not. */
  private known(shown: ShownCertificate): VerifiedPeer | undefined {
    try {
      return this.settings.verify(shown);
    } catch (error) {
      const refusal = asE2e(error, 'the dialer');
      this.refuse('ERR_E2E', refusal.message);
      this.settings.refused(refusal);
      return undefined;
    }
  }

  private refuse(code: WireCode, reason: string): void {
    this.answered = true;
    this.sayLast(encodeRefusal(code, reason));
  }

  private limit(ms: number, passed: () => void): void {
    clearTimeout(this.timer);
    this.timer = setTimeout(passed, ms).unref();
  }

  private settle(): void {
    clearTimeout(this.timer);
    this.settings.settled(this);
  }
}
