// A stream that is encrypted on its way, used as any other. Between its user and the outer stream stands a TLS
// connection; what must hold here: nothing is handed on that TLS has not verified, no end is taken for a clean one
// unless the other end said so inside (close_notify), and nothing of what is inside is said outside.

import type { X509Certificate } from 'node:crypto';
import type { TLSSocket } from 'node:tls';
import type { StreamSocket } from '../link/stream-socket.ts';
import { FairleadError, type WireCode } from '../protocol/errors.ts';
import { headroomBytes } from '../protocol/frame.ts';
import type { ByteStream, Stream, StreamHandler } from '../protocol/stream.ts';
import { GreetingReader } from './greeting.ts';
import type { ShownCertificate } from './verify.ts';

/** The protocol inside, as TLS names it (RFC 7301). */
export const alpnProtocol = 'fairlead-e2e.v1';
/** What both ends speak, and nothing older. */
export const tlsVersions = { minVersion: 'TLSv1.3', maxVersion: 'TLSv1.3' } as const;

/** Decrypted bytes that may wait for their reader before TLS is paused. */
const pauseAtBytes = 65_536;
/** Written and unsent bytes at which `write()` answers false. */
const highWaterBytes = 262_144;
/** How long an end that said all may wait for the other to have read it, in ms. */
const lingerMs = 5_000;

/**
 * - `handshake`: TLS is under way, or the peer is not verified yet
 * - `greeting`: the peer is verified; its first words have not come
 * - `open`: bytes both ways
 * - `over`: the user hears nothing more
 */
type Phase = 'handshake' | 'greeting' | 'open' | 'over';

export abstract class SealedStream implements ByteStream {
  handler: StreamHandler = nobody;
  protected phase: Phase = 'handshake';
  protected readonly outer: Stream;
  private readonly transport: StreamSocket;
  private tls: TLSSocket | undefined;
  private readonly greeting = new GreetingReader();
  /** The outer stream has ended; whatever TLS says of an end from now on, the peer did not say. */
  private outerEnded = false;
  private peerEnded = false;
  /** Nothing may be written before the peer is verified and the first words are known. */
  private writes: 'held' | 'flow' | 'ended' = 'held';
  private held: Buffer[] = [];
  private heldBytes = 0;
  private endIsHeld = false;
  private waiting = false;
  private unconsumed = 0;
  private linger: NodeJS.Timeout | undefined;

  /** `transport` is the outer stream as a socket that TLS can use, with half-open allowed. */
  constructor(outer: Stream, transport: StreamSocket) {
    this.outer = outer;
    this.transport = transport;
    // First of all listeners, so that it is known before TLS hears of it.
    transport.on('end', () => {
      this.outerEnded = true;
    });
    transport.on('error', (error) => this.lost(error));
    transport.on('close', () => this.outerClosed());
  }

  get live(): boolean {
    return this.phase !== 'over';
  }

  write(chunk: Uint8Array): boolean {
    return this.writes === 'ended' ? true : this.send(Buffer.from(chunk));
  }

  writeSegment(bytes: Uint8Array, payloadBytes: number): boolean {
    return this.send(Buffer.from(bytes.buffer, bytes.byteOffset + headroomBytes, payloadBytes));
  }

  end(): void {
    if (this.writes === 'ended') return;
    if (this.writes === 'held') {
      this.endIsHeld = true;
      return;
    }
    this.writes = 'ended';
    this.tls?.end();
  }

  /** The code is seen outside, the reason is not: it may name what only the two ends should know. */
  reset(code: WireCode, _reason: string): void {
    if (this.phase === 'over') return;
    this.finish(undefined);
    this.tearDown(code);
  }

  consumed(bytes: number): void {
    this.unconsumed -= bytes;
    if (this.unconsumed * 2 < pauseAtBytes && this.tls?.isPaused() === true) this.tls.resume();
  }

  // ── for the two ends ─────────────────────────────────────────────────────────────────────────────

  /** The peer's first words, whole. What comes behind them is given to the handler next. */
  protected abstract greeted(body: Buffer): void;
  /** The user hears nothing more; once, however it ended, and before {@link failed}. */
  protected abstract over(): void;
  /** The stream failed; called once, and not after an own `reset`. */
  protected abstract failed(error: FairleadError): void;

  /** TLS stands and the peer is who it must be: listens to it. */
  protected secured(tls: TLSSocket): void {
    this.tls = tls;
    this.phase = 'greeting';
    const push = tls.push.bind(tls);
    // The moment that TLS learns of the end, whether or not its reader has come so far.
    tls.push = (chunk, encoding) => {
      if (chunk === null) this.peerSaidEnd();
      return push(chunk, encoding);
    };
    tls.on('data', (chunk: Buffer) => this.received(chunk));
    tls.on('end', () => this.ended());
    tls.on('drain', () => this.wake());
    tls.on('error', (error) => this.lost(error));
  }

  /** Writes the first words, and what was held until they were known. */
  protected say(words: Buffer): void {
    const { tls, held } = this;
    if (tls === undefined || this.writes !== 'held') return;
    this.writes = 'flow';
    this.held = [];
    tls.cork();
    tls.write(words);
    for (const chunk of held) tls.write(chunk);
    tls.uncork();
    if (this.endIsHeld) this.end();
    else if (!tls.writableNeedDrain) process.nextTick(() => this.wake());
  }

  /** The last words: they are delivered if the peer reads, and nothing is heard any more. */
  protected sayLast(words: Buffer): void {
    this.held = [];
    this.endIsHeld = true;
    this.finish(undefined);
    this.say(words);
    this.tls?.resume();
    this.linger = setTimeout(() => this.tearDown('ERR_ABORTED'), lingerMs).unref();
  }

  /** Ends both ways; the other end is told the code, outside. */
  protected fail(error: FairleadError, outerCode: WireCode = 'ERR_E2E'): void {
    if (this.phase !== 'over') {
      this.finish(error);
      this.tearDown(outerCode);
    }
  }

  private tearDown(code: WireCode): void {
    clearTimeout(this.linger);
    this.outer.reset(code, '');
    this.held = [];
    this.tls?.destroy();
    this.transport.resetAndDestroy();
  }

  private finish(error: FairleadError | undefined): void {
    this.phase = 'over';
    this.over();
    if (error !== undefined) this.failed(error);
    this.handler = nobody;
  }

  // ── bytes ────────────────────────────────────────────────────────────────────────────────────────

  private send(bytes: Buffer): boolean {
    if (this.phase === 'over' || this.writes === 'ended' || this.endIsHeld) return true;
    if (this.writes === 'held') {
      this.held.push(bytes);
      this.heldBytes += bytes.length;
      this.waiting ||= this.heldBytes >= highWaterBytes;
    } else if (this.tls !== undefined) {
      this.tls.write(bytes);
      this.waiting ||= this.tls.writableLength >= highWaterBytes;
    }
    return !this.waiting;
  }

  private wake(): void {
    if (!this.waiting || this.phase === 'over') return;
    this.waiting = false;
    this.handler.writable();
  }

  private received(chunk: Buffer): void {
    if (this.phase === 'open') {
      this.deliver(chunk);
    } else if (this.phase === 'greeting') {
      try {
        const words = this.greeting.push(chunk);
        if (words === undefined) return;
        this.phase = 'open';
        this.greeted(words.body);
        if (words.rest.length > 0 && this.live) this.deliver(words.rest);
      } catch (error) {
        this.fail(asE2e(error, 'the first words inside the stream'));
      }
    }
  }

  private deliver(chunk: Buffer): void {
    this.unconsumed += chunk.length;
    this.handler.data(chunk);
    if (this.unconsumed >= pauseAtBytes) this.tls?.pause();
  }

  // ── ends ─────────────────────────────────────────────────────────────────────────────────────────

  private peerSaidEnd(): void {
    // Without close_notify an end can be anybody's: RFC 8446 §6.1.
    if (this.outerEnded && !this.peerEnded) {
      this.fail(new FairleadError('ERR_E2E', 'the encrypted stream was cut: the other end did not end it'));
    }
    this.peerEnded = true;
  }

  private ended(): void {
    if (this.phase === 'open') this.handler.end();
    else if (this.phase === 'greeting')
      this.fail(new FairleadError('ERR_E2E', 'the encrypted stream ended before its first words'));
  }

  /** The outer stream failed, or TLS did. */
  private lost(error: Error): void {
    if (error instanceof FairleadError) this.fail(error, 'ERR_ABORTED');
    else this.fail(asE2e(error, 'the encrypted stream was changed on its way, or is not one'));
  }

  private outerClosed(): void {
    clearTimeout(this.linger);
    this.tls?.destroy();
    if (this.phase === 'over') return;
    if (this.phase === 'open' && this.peerEnded && this.writes === 'ended') {
      const { handler } = this;
      this.finish(undefined);
      handler.closed(undefined);
    } else {
      this.fail(new FairleadError('ERR_E2E', 'the encrypted stream was cut before both ends had ended it'));
    }
  }
}

/** @throws FairleadError ERR_E2E where the peer showed none, or speaks something else */
export function shownBy(tls: TLSSocket, certificate: X509Certificate | undefined): ShownCertificate {
  if (tls.alpnProtocol !== alpnProtocol) {
    throw new FairleadError('ERR_E2E', `the other end does not speak ${alpnProtocol}`);
  }
  if (certificate === undefined) {
    throw new FairleadError('ERR_E2E', 'the other end shows no certificate: it needs one of its own');
  }
  // Declared as an Error; it is the code, or null where all is well.
  const chainError: unknown = tls.authorizationError;
  const isTrusted = chainError === null || chainError === undefined;
  return { certificate, chainError: isTrusted ? undefined : String(chainError) };
}

export function asE2e(error: unknown, what: string): FairleadError {
  if (error instanceof FairleadError && error.code === 'ERR_E2E') return error;
  return new FairleadError('ERR_E2E', `${what}: ${reasonOf(error)}`, { cause: error });
}

/** OpenSSL's messages hold addresses and file names; its reason is enough. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  if ('reason' in error && typeof error.reason === 'string') return error.reason;
  return error.message;
}

const nobody: StreamHandler = { data() {}, end() {}, writable() {}, closed() {} };
