// The agent's end of encryption: one TLS server that never listens, and the streams that it is given. Bounds what
// dialers can have it keep before they have said what they want.

import { AsyncLocalStorage } from 'node:async_hooks';
import { randomBytes } from 'node:crypto';
import { createServer, type Server } from 'node:tls';
import { StreamSocket } from '../link/stream-socket.ts';
import type { FairleadError } from '../protocol/errors.ts';
import type { Stream } from '../protocol/stream.ts';
import { AcceptedStream } from './accepted-stream.ts';
import type { SealedTarget } from './greeting.ts';
import { type Credentials, credentialsOf, type E2eAgentOptions, parseE2eAgent } from './options.ts';
import { alpnProtocol, tlsVersions } from './sealed-stream.ts';
import { type VerifiedPeer, verifyDialer } from './verify.ts';

export interface AcceptorLimits {
  /** Longest handshake, in ms. Default 10,000. */
  readonly handshakeMs: number;
  /** How long a stream whose dialer is known may wait to be asked for something, in ms. Default 120,000. */
  readonly spareMs: number;
  /** Streams of one session that shake hands or wait to be asked. Default 512. */
  readonly maxWaitingPerSession: number;
  /** The same over all sessions. Default 2,048. */
  readonly maxWaiting: number;
}

const acceptorDefaults: AcceptorLimits = {
  handshakeMs: 10_000,
  spareMs: 120_000,
  maxWaitingPerSession: 512,
  maxWaiting: 2048,
};

/** How long a ticket spares the rest of a handshake, in seconds. */
const ticketSeconds = 3600;

/** What a session hears of the streams that it hands over. */
export interface SealedEvents {
  /** A dialer that is known wants this. Set the stream's handler now; accept or reset it then or later. */
  asked(stream: AcceptedStream, target: SealedTarget, peer: VerifiedPeer): void;
  /** A stream ended before that, for a reason that its owner may want to know. */
  refused(stream: Stream, error: FairleadError): void;
}

export class E2eAcceptor {
  readonly isRequired: boolean;
  private readonly credentials: () => Credentials;
  private readonly limits: AcceptorLimits;
  private readonly forget: (() => void) | undefined;
  private readonly live = new Set<AcceptedStream>();
  private waiting = 0;
  private made: { readonly for: Credentials; readonly server: Server } | undefined;
  /** The server makes its sockets of streams and does not say which of which: each finds its own here. */
  private readonly current = new AsyncLocalStorage<AcceptedStream>();

  /** @throws FairleadError ERR_CONFIG where a key, a list of peers or an authority is malformed */
  constructor(options: E2eAgentOptions, limits: Partial<AcceptorLimits> = {}) {
    const { isRequired } = parseE2eAgent(options);
    this.isRequired = isRequired;
    this.limits = { ...acceptorDefaults, ...limits };
    this.credentials = credentialsOf(options);
    this.server();
    this.forget = options.onChange?.(() => {
      for (const stream of [...this.live]) stream.verifyAgain();
    });
  }

  /** Those begun that have not ended, spares included. */
  get streamCount(): number {
    return this.live.size;
  }

  close(): void {
    this.forget?.();
  }

  /** One session's way in. */
  session(events: SealedEvents): SealedSession {
    return new SealedSession(this, events, this.limits.maxWaitingPerSession);
  }

  /** Accepts the outer stream and begins; undefined, and the stream is reset, where too many wait already. */
  begin(outer: Stream, events: SealedEvents, settled: (stream: AcceptedStream) => void) {
    if (this.waiting >= this.limits.maxWaiting) {
      outer.reset('ERR_STREAM_LIMIT', `${this.waiting} encrypted streams wait at this agent, its limit`);
      return undefined;
    }
    const transport = new StreamSocket({ allowHalfOpen: true }).staysBelowTls();
    const { handshakeMs, spareMs } = this.limits;
    const server = this.server();
    this.waiting += 1;
    let isWaiting = true;
    const stream: AcceptedStream = new AcceptedStream(outer, transport, {
      handshakeMs,
      spareMs,
      verify: (shown) => verifyDialer(this.credentials(), shown),
      asked: events.asked,
      refused: (error) => events.refused(outer, error),
      settled: () => {
        if (isWaiting) this.waiting -= 1;
        isWaiting = false;
        settled(stream);
      },
      gone: () => this.live.delete(stream),
    });
    this.live.add(stream);
    // Says nothing of any target: the outer stream has none.
    outer.accept({ address: '', port: 0, family: 'IPv4' });
    outer.handler = transport.streamHandler;
    transport.attach(outer);
    this.current.run(stream, () => server.emit('connection', transport));
    return stream;
  }

  /** One as long as nothing has changed, and so the tickets that it gave: they end with what was trusted. */
  private server(): Server {
    const now = this.credentials();
    if (this.made?.for !== now) this.made = { for: now, server: this.makeServer(now) };
    return this.made.server;
  }

  private makeServer({ identity, trusted }: Credentials): Server {
    const server = createServer({
      ...tlsVersions,
      key: identity.pem,
      cert: identity.pem,
      ...('ca' in trusted ? { ca: trusted.ca } : {}),
      requestCert: true,
      // Verified in verify.ts, once and for both ways of trusting, with an answer that helps.
      rejectUnauthorized: false,
      ALPNProtocols: [alpnProtocol],
      allowHalfOpen: true,
      ticketKeys: randomBytes(48),
      sessionTimeout: ticketSeconds,
      // Needed wherever clients show certificates: SSL_CTX_set_session_id_context(3).
      sessionIdContext: alpnProtocol,
    });
    server.on('secureConnection', (tls) => {
      const stream = this.current.getStore();
      if (stream === undefined) tls.destroy();
      else stream.handshaken(tls);
    });
    server.on('tlsClientError', (error) => this.current.getStore()?.handshakeFailed(error));
    return server;
  }
}

/** The encrypted streams of one session that nobody has asked for anything yet. */
export class SealedSession {
  private readonly acceptor: E2eAcceptor;
  private readonly events: SealedEvents;
  private readonly max: number;
  private readonly waiting = new Set<AcceptedStream>();

  constructor(acceptor: E2eAcceptor, events: SealedEvents, max: number) {
    this.acceptor = acceptor;
    this.events = events;
    this.max = max;
  }

  opened(outer: Stream, version: number): void {
    if (version !== 1) {
      outer.reset('ERR_E2E', `this agent takes encrypted streams of version 1, not ${version}`);
    } else if (this.waiting.size >= this.max) {
      outer.reset(
        'ERR_STREAM_LIMIT',
        `${this.waiting.size} encrypted streams of the session wait, its limit`,
      );
    } else {
      const stream = this.acceptor.begin(outer, this.events, (settled) => this.waiting.delete(settled));
      if (stream?.live === true) this.waiting.add(stream);
    }
  }

  /** Nobody is to wait for these any more. */
  dropWaiting(code: 'ERR_DRAINING', reason: string): void {
    for (const stream of [...this.waiting]) stream.reset(code, reason);
  }
}
