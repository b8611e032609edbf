// One link of the Node engine: a `ws` WebSocket behind the relay's interface. Does nothing per frame but
// hand it on.

import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { unpinned } from '../link/unpinned.ts';
import { closeReason } from './close-reason.ts';
import type { BrokerLink, LinkTag, Observed } from './link.ts';
import type { Ledger } from './pressure.ts';

/** Shared by every message of every link. */
const sendOptions = { binary: true, compress: false, fin: true } as const;

/** How long a peer may take to answer a close frame before its socket is destroyed. */
const closeGraceMs = 3000;

export class NodeLink implements BrokerLink {
  readonly tag: LinkTag;
  readonly #webSocket: WebSocket;
  readonly #socket: Socket;
  readonly #ledger: Ledger;
  /** What the ledger knows. */
  #toldBytes = 0;
  /** When the ping was sent that has not been answered. */
  #pingedAtMs: number | undefined;
  #rttMs: number | undefined;

  constructor(tag: LinkTag, webSocket: WebSocket, socket: Socket, ledger: Ledger) {
    this.tag = tag;
    this.#ledger = ledger;
    this.#webSocket = webSocket;
    this.#socket = socket;
    webSocket.on('pong', () => this.#ponged());
  }

  send(data: Uint8Array): void {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    const waits = this.#webSocket.bufferedAmount > 0;
    this.#webSocket.send(waits ? unpinned(data) : data, sendOptions);
    const buffered = this.#webSocket.bufferedAmount;
    if (buffered === this.#toldBytes) return;
    this.#ledger.changed(buffered - this.#toldBytes);
    this.#toldBytes = buffered;
  }

  close(code: number, reason: string): void {
    this.#webSocket.close(code, closeReason(reason));
    this.endSoon();
    // The peer's close frame is not seen while reading is paused.
    if (this.#webSocket.isPaused) this.#webSocket.resume();
  }

  /** Sees to it that a closing WebSocket ends, whatever the peer does. */
  endSoon(): void {
    const timer = setTimeout(() => this.terminate(), closeGraceMs);
    timer.unref();
    this.#webSocket.once('close', () => clearTimeout(timer));
  }

  /** 0 once the socket is destroyed, and with it what waited. */
  bufferedBytes(): number {
    return this.#socket.destroyed ? 0 : this.#webSocket.bufferedAmount;
  }

  /** As {@link bufferedBytes}, and known to the ledger from here on. */
  count(): number {
    this.#toldBytes = this.bufferedBytes();
    return this.#toldBytes;
  }

  pause(): void {
    this.#webSocket.pause();
  }

  resume(): void {
    this.#webSocket.resume();
  }

  /** The tag lives in this process with the socket: there is nothing to store. */
  saveTag(): void {}

  get isPaused(): boolean {
    return this.#webSocket.isPaused;
  }

  /** Grows with whatever is heard, down to the pong of an idle peer. */
  get bytesRead(): number {
    return this.#socket.bytesRead;
  }

  get bytesWritten(): number {
    return this.#socket.bytesWritten;
  }

  ping(): void {
    if (this.#webSocket.readyState !== this.#webSocket.OPEN) return;
    this.#pingedAtMs ??= performance.now();
    this.#webSocket.ping();
  }

  get observed(): Observed {
    return {
      address: this.tag.address,
      rttMs: this.#rttMs,
      receivedBytes: this.bytesRead,
      sentBytes: this.bytesWritten,
    };
  }

  /** Of several pings the first counts: the time is that of a peer which answers late, never of one which has not. */
  #ponged(): void {
    if (this.#pingedAtMs === undefined) return;
    // A hundredth of a millisecond: more is noise.
    this.#rttMs = Math.round((performance.now() - this.#pingedAtMs) * 100) / 100;
    this.#pingedAtMs = undefined;
  }

  terminate(): void {
    this.#webSocket.terminate();
  }
}
