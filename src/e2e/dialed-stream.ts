// An encrypted stream at the dialer. It may be begun before anybody knows what for: then it is a spare, whose
// handshake is done when it is wanted. Nothing is asked for inside before the agent is verified.

import type { X509Certificate } from 'node:crypto';
import { connect, type SecureContext, type TLSSocket } from 'node:tls';
import { StreamSocket } from '../link/stream-socket.ts';
import { FairleadError } from '../protocol/errors.ts';
import type { OpenRequest } from '../protocol/open.ts';
import type { Stream, StreamHandler } from '../protocol/stream.ts';
import { decodeAnswer, encodeGreeting } from './greeting.ts';
import { alpnProtocol, asE2e, SealedStream, shownBy } from './sealed-stream.ts';
import type { ShownCertificate } from './verify.ts';

/** What lets a later handshake begin where this one ended, and whose it was: TLS does not show that again. */
export interface Ticket {
  readonly session: Buffer;
  readonly certificate: X509Certificate;
}

export interface DialedStreamSettings {
  readonly node: string;
  readonly context: SecureContext;
  readonly ticket: Ticket | undefined;
  /** @throws FairleadError ERR_E2E where this is not an agent of the node */
  readonly verify: (shown: ShownCertificate) => void;
  readonly newTicket: (ticket: Ticket) => void;
  /** The agent is verified. */
  readonly ready: (stream: DialedStream) => void;
  /** Once, however it ended. */
  readonly gone: (stream: DialedStream) => void;
}

interface Wanted {
  readonly request: OpenRequest;
  readonly handler: StreamHandler;
}

export class DialedStream extends SealedStream {
  private readonly settings: DialedStreamSettings;
  private shown: ShownCertificate | undefined;
  private wanted: Wanted | undefined;
  private accepted = false;
  private timer: NodeJS.Timeout | undefined;
  /** The handshake began where an earlier one ended. */
  isResumed = false;

  /** `open` opens the outer stream. Whatever it throws, nothing was begun. */
  static begin(open: (handler: StreamHandler) => Stream, settings: DialedStreamSettings): DialedStream {
    const transport = new StreamSocket({ allowHalfOpen: true }).staysBelowTls();
    const outer = open(transport.streamHandler);
    transport.attach(outer);
    return new DialedStream(outer, transport, settings);
  }

  private constructor(outer: Stream, transport: StreamSocket, settings: DialedStreamSettings) {
    super(outer, transport);
    this.settings = settings;
    const { context, ticket } = settings;
    // No server name: the node's would be of no use to the agent, and the target's is for nobody between.
    const tls = connect({
      socket: transport,
      secureContext: context,
      ...(ticket === undefined ? {} : { session: ticket.session }),
      ALPNProtocols: [alpnProtocol],
      // Verified below, once and for both ways of trusting, with an answer that helps.
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    });
    const onError = (error: Error): void => this.fail(asE2e(error, this.attempt()));
    tls.on('error', onError);
    tls.on('session', (session: Buffer) => {
      if (this.shown !== undefined) settings.newTicket({ session, certificate: this.shown.certificate });
    });
    tls.once('secureConnect', () => {
      tls.off('error', onError);
      this.handshaken(tls);
    });
  }

  /** The agent has shown who it is, and nobody has asked it for anything. */
  get isReady(): boolean {
    return this.phase === 'greeting' && this.wanted === undefined;
  }

  /** What it was begun under. */
  get context(): SecureContext {
    return this.settings.context;
  }

  /** Asks for a target, at once or as soon as the agent is verified; at most once. */
  ask(request: OpenRequest, handler: StreamHandler, timeoutMs: number): void {
    this.wanted = { request, handler };
    this.handler = handler;
    this.timer = setTimeout(() => {
      const target = `${request.host}:${request.port}`;
      this.fail(
        new FairleadError(
          'ETIMEDOUT',
          `${target} at "${this.settings.node}": no answer within ${timeoutMs} ms`,
        ),
        'ETIMEDOUT',
      );
    }, timeoutMs).unref();
    if (this.phase === 'greeting') this.request();
  }

  /** Ends one that is of no use, before anybody has asked for it. */
  drop(): void {
    this.reset('ERR_ABORTED', '');
  }

  /** Whose keys are trusted has changed: ends the stream where the agent's is not among them any more. */
  verifyAgain(): void {
    if (this.shown === undefined || !this.live) return;
    try {
      this.settings.verify(this.shown);
    } catch (error) {
      this.fail(asE2e(error, this.attempt()));
    }
  }

  protected override greeted(body: Buffer): void {
    this.settle();
    let remote: ReturnType<typeof decodeAnswer>;
    try {
      remote = decodeAnswer(body);
    } catch (error) {
      // It said no, and has nothing more to say.
      const refusal = error instanceof FairleadError ? error : asE2e(error, this.attempt());
      this.fail(refusal, 'ERR_ABORTED');
      return;
    }
    this.accepted = true;
    this.wanted?.handler.accepted?.(remote);
  }

  protected override over(): void {
    this.settle();
    this.settings.gone(this);
  }

  protected override failed(error: FairleadError): void {
    // Until the target stands, it is the one who asked that hears why it does not.
    const listener = this.accepted ? this.handler : this.wanted?.handler;
    listener?.closed(error);
  }

  private handshaken(tls: TLSSocket): void {
    tls.on('error', () => {});
    const { ticket, verify, ready } = this.settings;
    this.isResumed = tls.isSessionReused();
    try {
      const certificate = this.isResumed ? ticket?.certificate : tls.getPeerX509Certificate();
      const shown = shownBy(tls, certificate);
      verify(shown);
      this.shown = shown;
    } catch (error) {
      this.fail(asE2e(error, this.attempt()));
      tls.destroy();
      return;
    }
    this.secured(tls);
    if (this.wanted !== undefined) this.request();
    ready(this);
  }

  private request(): void {
    if (this.wanted === undefined) return;
    const { host, port, id, traceparent } = this.wanted.request;
    this.say(encodeGreeting({ node: this.settings.node, host, port, id, traceparent }));
  }

  private attempt(): string {
    return `no encrypted connection to the agent of "${this.settings.node}"`;
  }

  private settle(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
  }
}
