// A connection to a target as a pair of web streams with back-pressure both ways. It must never hand credit back for
// bytes that the page has not asked for, nor lose bytes that were written before the writer closed.

import { FairleadError } from '../protocol/errors.ts';
import type { RemoteAddress } from '../protocol/open.ts';
import type { ByteStream, StreamHandler } from '../protocol/stream.ts';
import { ByteQueue } from './byte-queue.ts';

/** A connection to a target, made by a node's agent. */
export interface DialedSocket {
  /**
   * What the target sends, as it is read: what is not read stops the target. Ends when the target has ended its side;
   * cancelling it breaks the connection.
   */
  readonly readable: ReadableStream<Uint8Array>;
  /**
   * What is written goes to the target; `ready` says when there is room. Closing the writer half-closes: the target may
   * still answer. Aborting it breaks the connection.
   */
  readonly writable: WritableStream<Uint8Array | ArrayBuffer>;
  /** Where the agent's connection ends. */
  readonly remote: { readonly address: string; readonly port: number; readonly family: 'IPv4' | 'IPv6' };
  /** When both sides have ended, or this side has closed it; rejects with a {@link FairleadError} where it broke. */
  readonly closed: Promise<void>;
  /** Breaks what is open. */
  close(): void;
}

const pieceBytes = 65_536;
const highWaterBytes = 65_536;

/** What a dial comes to. */
interface Outcome {
  resolve(socket: DialedSocket): void;
  reject(error: FairleadError): void;
}

export class SocketStreams {
  /** The stream's events, for whoever opens it. */
  readonly handler: StreamHandler = {
    accepted: (remote) => this.#accepted(remote),
    data: (chunk) => {
      this.#queue.push(chunk);
      this.#serve();
    },
    end: () => {
      this.#peerEnded = true;
      this.#serve();
    },
    writable: () => this.#room?.(),
    closed: (error) => this.#closedBy(error),
  };

  readonly #outcome: Outcome;
  readonly #readable: ReadableStream<Uint8Array>;
  readonly #writable: WritableStream<Uint8Array | ArrayBuffer>;
  readonly #closed: Promise<void>;
  readonly #queue = new ByteQueue();
  #stream: ByteStream | undefined;
  #reader: ReadableStreamDefaultController<Uint8Array> | undefined;
  #writer: WritableStreamDefaultController | undefined;
  #peerEnded = false;
  #readEnded = false;
  /** A read waits for bytes. */
  #wanted: (() => void) | undefined;
  /** A write waits for room. */
  #room: (() => void) | undefined;
  #error: FairleadError | undefined;
  #settle: { resolve(): void; reject(error: FairleadError): void } | undefined;

  /** `outcome` hears of the dial's end, once. */
  constructor(outcome: Outcome) {
    this.#outcome = outcome;
    this.#closed = new Promise((resolve, reject) => {
      this.#settle = { resolve, reject };
    });
    // Nobody has to look at it: reader and writer hear of it as well.
    this.#closed.catch(() => {});
    this.#readable = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#reader = controller;
        },
        pull: () => this.#pull(),
        cancel: () => this.#abort('its reader was cancelled'),
      },
      // Only what somebody waits for is taken out of the window.
      { highWaterMark: 0 },
    );
    this.#writable = new WritableStream<Uint8Array | ArrayBuffer>(
      {
        start: (controller) => {
          this.#writer = controller;
        },
        write: (chunk) => this.#write(bytesOf(chunk)),
        close: () => this.#stream?.end(),
        abort: () => this.#abort('its writer was aborted'),
      },
      { highWaterMark: highWaterBytes, size: (chunk) => chunk?.byteLength ?? 0 },
    );
  }

  attach(stream: ByteStream): void {
    this.#stream = stream;
  }

  #accepted({ address, port, family }: RemoteAddress): void {
    this.#outcome.resolve({
      readable: this.#readable,
      writable: this.#writable,
      remote: { address, port, family },
      closed: this.#closed,
      close: () => this.#abort('it was closed'),
    });
  }

  #closedBy(error: FairleadError | undefined): void {
    if (error === undefined) {
      this.#settle?.resolve();
      return;
    }
    this.#fail(error);
    this.#settle?.reject(error);
    this.#outcome.reject(error);
  }

  // ── what the page does ───────────────────────────────────────────────────────────────────────────

  #pull(): Promise<void> | undefined {
    if (this.#deliver()) return undefined;
    return new Promise((resolve) => {
      this.#wanted = resolve;
    });
  }

  #serve(): void {
    const wanted = this.#wanted;
    if (wanted === undefined || !this.#deliver()) return;
    this.#wanted = undefined;
    wanted();
  }

  /** Gives the reader what is next, and the peer credit for exactly that; false where there is nothing yet. */
  #deliver(): boolean {
    if (this.#error !== undefined) return true;
    const chunk = this.#queue.shift();
    if (chunk !== undefined) {
      this.#stream?.consumed(chunk.length);
      this.#reader?.enqueue(chunk);
    }
    if (this.#peerEnded && this.#queue.isEmpty && !this.#readEnded) {
      this.#readEnded = true;
      this.#reader?.close();
    }
    return chunk !== undefined || this.#readEnded;
  }

  async #write(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length; at += pieceBytes) {
      if (this.#error !== undefined) throw this.#error;
      if (this.#stream?.write(bytes.subarray(at, at + pieceBytes)) === false) await this.#untilRoom();
    }
  }

  async #untilRoom(): Promise<void> {
    await new Promise<void>((resolve) => {
      this.#room = resolve;
    });
    this.#room = undefined;
    if (this.#error !== undefined) throw this.#error;
  }

  #abort(why: string): void {
    if (this.#error !== undefined || this.#stream?.live !== true) return;
    this.#stream.reset('ERR_ABORTED', `the page broke the connection: ${why}`);
    this.#fail(new FairleadError('ERR_ABORTED', `the connection was broken by this page: ${why}`));
    this.#settle?.resolve();
  }

  #fail(error: FairleadError): void {
    this.#error = error;
    this.#queue.clear();
    if (!this.#readEnded) this.#reader?.error(error);
    this.#writer?.error(error);
    this.#wanted?.();
    this.#room?.();
  }
}

function bytesOf(chunk: Uint8Array | ArrayBuffer): Uint8Array {
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
  throw new TypeError('write bytes: a Uint8Array or an ArrayBuffer');
}
