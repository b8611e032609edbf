// A stream as a Duplex that behaves as net.Socket does where programs notice. It must never hand credit
// back for bytes that its reader has not asked for, nor lose bytes that were written before `end()`.

import { Duplex } from 'node:stream';
import { FairleadError, type WireCode } from '../protocol/errors.ts';
import type { DialTiming, RemoteAddress } from '../protocol/open.ts';
import type { StreamHandler } from '../protocol/stream.ts';
import { InboundQueue } from './inbound-queue.ts';
import { OutboundQueue, type SegmentSink } from './outbound-queue.ts';

/** What a socket needs of its stream: a protocol `Stream`, or a fake in a test. */
export interface StreamPort extends SegmentSink {
  end(): void;
  reset(code: WireCode, reason: string): void;
  consumed(bytes: number): void;
}

export interface StreamSocketOptions {
  /** As for `net.Socket`: false ends our side when the peer has ended its own. Default false. */
  readonly allowHalfOpen?: boolean | undefined;
  /** What the dial is known by in logs. */
  readonly requestId?: string | undefined;
}

/** Where a socket is in its life; `lingering` is after `destroy()`, while bytes already ended still travel. */
type Phase = 'connecting' | 'open' | 'lingering' | 'closed';

/** What Node's streams keep, and let nobody set later by other means. */
interface Halves {
  readonly _readableState: { autoDestroy: boolean };
  readonly _writableState: { autoDestroy: boolean };
}

type Done = (error?: Error | null) => void;

/** How long a stream whose reader left after `end()` may go on delivering what was written. */
const lingerMs = 5_000;
const highWaterMark = 65_536;
const longestTimeoutMs = 2_147_483_647;

/** Called when a socket starts or stops keeping the process alive. */
export type HoldsProcess = (holds: boolean) => void;

/**
 * A connection to a target: a `Duplex` that behaves as `net.Socket` does, for `http.request`, `tls.connect`, ssh2, pg ….
 * Made by `dial`; ends and breaks as a socket does, with the target's own codes (`ECONNRESET`, …) in its `error` event.
 */
export class StreamSocket extends Duplex {
  /** As for `net.Socket`: where the agent's connection ends. Undefined until connected. */
  remoteAddress: string | undefined;
  remotePort: number | undefined;
  remoteFamily: string | undefined;
  /** The near end is a session, which has no address. */
  readonly localAddress: string | undefined = undefined;
  readonly localPort: number | undefined = undefined;
  readonly localFamily: string | undefined = undefined;
  /** What the dial is known by in the logs on its way. */
  readonly requestId: string | undefined;
  /** The session that carries it, as logs have it; undefined where it found none. */
  sessionId: string | undefined;
  /** What the agent and the target took of the dial, as the agent says; undefined until connected, and where it does not. */
  dialTiming: DialTiming | undefined;
  bytesRead = 0;
  /** The timeout in force in milliseconds, or undefined. */
  timeout: number | undefined;

  #phase: Phase = 'connecting';
  #port: StreamPort | undefined;
  #inbound = new InboundQueue();
  #readerWants = false;
  #peerEnded = false;
  #readEnded = false;
  #writeEnded = false;
  #portIsClosed = false;
  #bytesHandedOver = 0;
  #writingBytes = 0;
  #outbound = new OutboundQueue();
  #writeDone: Done | undefined;
  #destroyDone: Done | undefined;
  /** Counts inactivity while the socket lives, and the linger after it. */
  #timer: NodeJS.Timeout | undefined;
  #isReferenced = true;
  #holds: HoldsProcess | undefined;

  constructor(options: StreamSocketOptions = {}) {
    super({
      allowHalfOpen: options.allowHalfOpen ?? false,
      readableHighWaterMark: highWaterMark,
      writableHighWaterMark: highWaterMark,
      decodeStrings: true,
      emitClose: true,
      autoDestroy: true,
    });
    this.requestId = options.requestId;
  }

  /** Binds the socket to its stream, at most once. What was written until now goes out. */
  attach(port: StreamPort, holds?: HoldsProcess): void {
    if (this.#port !== undefined) throw new FairleadError('ERR_CLOSED', 'this socket has a stream already');
    if (this.destroyed) {
      port.reset('ERR_ABORTED', 'the socket was destroyed before its stream was open');
      return;
    }
    this.#port = port;
    this.#holds = holds;
    if (this.#isReferenced) holds?.(true);
    if (this.#writeEnded) port.end();
    else this.#pump();
  }

  /** The stream's events, for `session.open(request, socket.streamHandler)`. */
  readonly streamHandler: StreamHandler = {
    accepted: (remote) => this.#accepted(remote),
    data: (chunk) => this.#received(chunk),
    end: () => {
      this.#peerEnded = true;
      this.#deliver();
    },
    writable: () => this.#pump(),
    closed: (error) => this.#streamClosed(error),
  };

  get connecting(): boolean {
    return this.#phase === 'connecting' && !this.destroyed;
  }

  get pending(): boolean {
    return this.connecting;
  }

  get readyState(): 'opening' | 'open' | 'readOnly' | 'writeOnly' | 'closed' {
    if (this.connecting) return 'opening';
    if (this.readable && this.writable) return 'open';
    if (this.readable) return 'readOnly';
    return this.writable ? 'writeOnly' : 'closed';
  }

  /** Bytes written, those that wait in the socket's own queue included. */
  get bytesWritten(): number {
    return this.#bytesHandedOver + this.writableLength;
  }

  get bufferSize(): number {
    return this.writableLength;
  }

  /** The near end is a session, which has no address: empty. */
  address(): Record<string, never> {
    return {};
  }

  /** Emits `timeout` after that long without a byte either way, again after each activity; 0 turns it off. */
  setTimeout(timeoutMs: number, callback?: () => void): this {
    if (typeof timeoutMs !== 'number' || !Number.isFinite(timeoutMs) || timeoutMs < 0)
      throw new RangeError('a timeout is a number of milliseconds, 0 or more');
    this.timeout = timeoutMs;
    // From destroy() on, the timer is the linger's.
    if (this.destroyed) return this;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (timeoutMs === 0) {
      if (callback !== undefined) this.removeListener('timeout', callback);
      return this;
    }
    if (callback !== undefined) this.once('timeout', callback);
    // As in net.Socket, waiting for a timeout does not by itself keep the process alive.
    this.#timer = setTimeout(() => this.emit('timeout'), Math.min(timeoutMs, longestTimeoutMs)).unref();
    return this;
  }

  /** The session never delays small writes, so there is nothing to turn off. */
  setNoDelay(_noDelay?: boolean): this {
    return this;
  }

  /** The link has its own keep-alive, which notices a dead path within 20 s. */
  setKeepAlive(_enable?: boolean, _initialDelayMs?: number): this {
    return this;
  }

  /** Keeps the process alive while this is open, as it does from the beginning. */
  ref(): this {
    if (!this.#isReferenced && !this.#portIsClosed) this.#holds?.(true);
    this.#isReferenced = true;
    return this;
  }

  /** Lets the process end although this is open. */
  unref(): this {
    if (this.#isReferenced && !this.#portIsClosed) this.#holds?.(false);
    this.#isReferenced = false;
    return this;
  }

  /**
   * Call it before `tls.connect({ socket })`, or whatever else wraps it: from now on only `destroy()` closes the socket,
   * as TLS does when it is done. Otherwise the socket closes once both ends have ended, and Node drops with it what was
   * decrypted and not read yet.
   */
  staysBelowTls(): this {
    const { _readableState: readable, _writableState: writable } = this as unknown as Halves;
    readable.autoDestroy = false;
    writable.autoDestroy = false;
    return this;
  }

  /** As net.Socket: ends, and destroys once everything written has been handed over. */
  destroySoon(): void {
    if (this.writable) this.end();
    if (this.writableFinished) this.destroy();
    else this.once('finish', () => this.destroy());
  }

  /** Breaks the connection at once, both ways: the target sees a reset. */
  resetAndDestroy(): this {
    this.#resetStream();
    return this.destroy();
  }

  /** @internal For `Duplex`. */
  override _read(): void {
    this.#readerWants = true;
    this.#deliver();
  }

  /** @internal For `Duplex`. */
  override _write(chunk: Buffer, _encoding: BufferEncoding, done: Done): void {
    this.#outbound.push(chunk);
    this.#startWrite(done);
  }

  /** @internal For `Duplex`. */
  override _writev(chunks: { chunk: Buffer }[], done: Done): void {
    for (const { chunk } of chunks) this.#outbound.push(chunk);
    this.#startWrite(done);
  }

  /** @internal For `Duplex`. */
  override _final(done: Done): void {
    this.#writeEnded = true;
    // Where there is no stream yet, attach() ends it.
    if (!this.#portIsClosed) this.#port?.end();
    done();
  }

  /** @internal For `Duplex`. */
  override _destroy(error: Error | null, done: Done): void {
    clearTimeout(this.#timer);
    this.#discardInbound();
    const port = this.#port;
    // destroy() after end() must not overtake the bytes before it, so "close" waits until they arrived.
    if (error === null && this.#writeEnded && port !== undefined && !this.#portIsClosed) {
      this.#phase = 'lingering';
      this.#destroyDone = done;
      // The peer may never end its side, and nobody reads it any more.
      if (!this.#peerEnded) this.#timer = setTimeout(() => this.#endLinger(), lingerMs).unref();
      return;
    }
    this.#phase = 'closed';
    this.#resetStream();
    this.#outbound.clear();
    const writeDone = this.#writeDone;
    this.#writeDone = undefined;
    done(error);
    writeDone?.(error ?? new FairleadError('ERR_ABORTED', 'the socket was destroyed'));
  }

  #accepted(remote: RemoteAddress): void {
    if (this.#phase !== 'connecting') return;
    this.#phase = 'open';
    this.remoteAddress = remote.address;
    this.remotePort = remote.port;
    this.remoteFamily = remote.family;
    this.dialTiming = remote.timing;
    this.#timer?.refresh();
    this.emit('connect');
    this.emit('ready');
  }

  #received(chunk: Uint8Array): void {
    if (this.#phase === 'lingering' || this.#phase === 'closed') {
      if (!this.#portIsClosed) this.#port?.consumed(chunk.length);
      return;
    }
    this.bytesRead += chunk.length;
    this.#timer?.refresh();
    this.#inbound.push(chunk);
    this.#deliver();
  }

  /** Gives the reader what it wants, and the peer credit for exactly that. */
  #deliver(): void {
    while (this.#readerWants) {
      const chunk = this.#inbound.shift();
      if (chunk === undefined) break;
      // Before push(): that runs the reader, which may destroy the socket.
      this.#readerWants = false;
      if (!this.#portIsClosed) this.#port?.consumed(chunk.length);
      if (this.push(chunk)) this.#readerWants = true;
    }
    if (this.#peerEnded && !this.#readEnded && this.#inbound.bytes === 0 && !this.destroyed) {
      this.#readEnded = true;
      this.push(null);
    }
  }

  #discardInbound(): void {
    const unread = this.#inbound.bytes;
    this.#inbound.clear();
    if (unread > 0 && !this.#portIsClosed) this.#port?.consumed(unread);
  }

  #startWrite(done: Done): void {
    this.#writeDone = done;
    this.#writingBytes = this.#outbound.bytes;
    this.#pump();
  }

  /** Hands waiting writes to the stream until it says stop. */
  #pump(): void {
    const port = this.#port;
    if (port === undefined || this.#portIsClosed || this.#writeDone === undefined) return;
    this.#timer?.refresh();
    // False even where the last byte was taken: the program may go on when there is room again.
    if (!this.#outbound.drainInto(port)) return;
    this.#bytesHandedOver += this.#writingBytes;
    const done = this.#writeDone;
    this.#writeDone = undefined;
    done();
  }

  #streamClosed(error: FairleadError | undefined): void {
    if (this.#portIsClosed) return;
    this.#portIsClosed = true;
    if (this.#isReferenced) this.#holds?.(false);
    if (this.#phase === 'lingering') this.#endLinger(error);
    else if (error !== undefined)
      this.destroy(this.requestId === undefined ? error : error.ofRequest(this.requestId));
  }

  #endLinger(error?: FairleadError): void {
    clearTimeout(this.#timer);
    this.#phase = 'closed';
    this.#resetStream();
    const done = this.#destroyDone;
    this.#destroyDone = undefined;
    // Both sides had ended, so the program believes all went well: say so if it did not. One that left
    // before the peer's end has asked not to hear.
    done?.(this.#peerEnded && error !== undefined ? error : null);
  }

  #resetStream(): void {
    if (this.#port === undefined || this.#portIsClosed) return;
    this.#portIsClosed = true;
    if (this.#isReferenced) this.#holds?.(false);
    this.#port.reset('ERR_ABORTED', 'the connection was closed at its other end');
  }
}
