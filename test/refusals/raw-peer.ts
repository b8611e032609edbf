// A WebSocket peer that says whatever a test wants it to say, and keeps what it hears.

import { once } from 'node:events';
import WebSocket from 'ws';
import { type ControlMessage, decodeControl } from '../../src/protocol/control.ts';
import { readSession, writeSession } from '../../src/protocol/envelope.ts';
import { decodeFrames, type Frame, writeFrameHeader, writeU64 } from '../../src/protocol/frame.ts';

/** Longest that a test waits for an answer which must come, in ms. */
const patienceMs = 10_000;

/** One frame as a table writes it. */
export interface RawFrame {
  readonly type: number;
  readonly stream?: number;
  readonly argument?: number;
  readonly payload?: Uint8Array | string;
}

export function frame({ type, stream = 0, argument = 0, payload = '' }: RawFrame): Buffer {
  const body = Buffer.from(payload as string);
  const bytes = Buffer.alloc(16 + body.length);
  writeFrameHeader(bytes, 0, type, body.length, stream, argument);
  body.copy(bytes, 16);
  return bytes;
}

export function message(session: bigint, ...parts: readonly Uint8Array[]): Buffer {
  const envelope = Buffer.alloc(8);
  writeSession(envelope, session);
  return Buffer.concat([envelope, ...parts]);
}

export function u64(...values: readonly number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 8);
  values.forEach((value, index) => {
    writeU64(bytes, index * 8, value);
  });
  return bytes;
}

export interface Closed {
  readonly code: number;
  readonly reason: string;
}

export class RawPeer {
  readonly socket: WebSocket;
  readonly closed: Promise<Closed>;
  readonly #heard: Buffer[] = [];
  #wake: () => void = () => {};

  constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data: Buffer) => {
      this.#heard.push(data);
      this.#wake();
    });
    socket.on('error', () => {});
    this.closed = once(socket, 'close').then(([code, reason]) => {
      this.#wake();
      return { code: code as number, reason: String(reason) };
    });
  }

  static async join(url: string, path: string, token: string): Promise<RawPeer> {
    const socket = new WebSocket(`${url}${path}`, 'fairlead.v1', {
      headers: { authorization: `Bearer ${token}` },
    });
    const peer = new RawPeer(socket);
    await once(socket, 'open');
    return peer;
  }

  send(data: Uint8Array): void {
    this.socket.send(data, { binary: true });
  }

  /** The next control frame of this type. */
  hearsControl(type: number): Promise<ControlMessage> {
    return this.#hears((data) =>
      readSession(data) === 0n ? decodeControl(data).find((control) => control.type === type) : undefined,
    );
  }

  /** The next frame for which `isIt` says so, on any session. */
  hearsFrame(isIt: (frame: Frame) => boolean): Promise<Frame> {
    return this.#hears((data) => {
      let found: Frame | undefined;
      if (readSession(data) !== 0n)
        decodeFrames(data, (frame) => {
          if (found === undefined && isIt(frame)) found = { ...frame };
        });
      return found;
    });
  }

  async #hears<T>(look: (data: Buffer) => T | undefined): Promise<T> {
    const deadline = Date.now() + patienceMs;
    for (;;) {
      for (;;) {
        const data = this.#heard.shift();
        if (data === undefined) break;
        const found = look(data);
        if (found !== undefined) return found;
      }
      if (this.socket.readyState === WebSocket.CLOSED) throw new Error('closed before it was heard');
      if (Date.now() > deadline) throw new Error('it was not heard');
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, patienceMs);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }

  end(): void {
    this.socket.terminate();
  }
}
