// Joins one TCP socket and one stream, both ways, with half-close and back-pressure, at the cost of no copy for
// bulk: large reads land where a message wants them.

import type { OnReadOpts, Socket } from 'node:net';
import { type FairleadError, type WireCode, wireCodes } from '../protocol/errors.ts';
import { headroomBytes } from '../protocol/frame.ts';
import { returnSegment, takeSegment } from '../protocol/segment-pool.ts';
import type { ByteStream, StreamHandler } from '../protocol/stream.ts';
import { quietRoom, worthRoomBytes } from './quiet-room.ts';
import { resetSocket } from './reset-socket.ts';
import { unpinned } from './unpinned.ts';

/**
 * The reading side of a socket. It must be given to the socket as its `onread` when it is made; bytes that come
 * before {@link Splice} has taken over are refused by reading nothing: the socket is paused until then.
 */
export class SpliceReader {
  /** Where bulk is read to; undefined while the socket is quiet. */
  private segment: Uint8Array | undefined;
  private stream: ByteStream | undefined;

  readonly onread: OnReadOpts = {
    buffer: () => this.segment?.subarray(headroomBytes) ?? quietRoom,
    callback: (bytes) => this.read(bytes),
  };

  /** Where bytes go from now on. */
  feed(stream: ByteStream | undefined): void {
    this.stream = stream;
  }

  /** False stops the socket from reading. */
  private read(bytes: number): boolean {
    const { stream, segment } = this;
    if (stream === undefined) return false;
    const isBulk = bytes >= worthRoomBytes;
    if (isBulk && segment !== undefined) {
      this.segment = takeSegment();
      return stream.writeSegment(segment, bytes);
    }
    const read = segment?.subarray(headroomBytes, headroomBytes + bytes) ?? quietRoom.subarray(0, bytes);
    const hasRoom = stream.write(read);
    if (isBulk) this.segment = takeSegment();
    else if (segment !== undefined) {
      this.segment = undefined;
      returnSegment(segment);
    }
    return hasRoom;
  }
}

export interface SpliceEvents {
  /** Both directions are done, or one failed; the socket is closed or closing. Once. */
  ended(error: FairleadError | Error | undefined): void;
}

/** The socket is connected or about to be; {@link join} gives it its stream, of which this is to be the handler. */
export class Splice implements StreamHandler {
  private readonly socket: Socket;
  private readonly reader: SpliceReader;
  private readonly events: SpliceEvents;
  private stream: ByteStream | undefined;
  private unconsumed = 0;
  private state: 'open' | 'ended' = 'open';

  constructor(socket: Socket, reader: SpliceReader, events: SpliceEvents) {
    this.socket = socket;
    this.reader = reader;
    this.events = events;
  }

  /** From here on bytes flow both ways. Once, and nothing may reach this handler before. */
  join(stream: ByteStream): void {
    const { socket } = this;
    this.stream = stream;
    socket.on('end', () => stream.end());
    socket.on('drain', () => this.settle());
    socket.on('error', (error) => this.onSocketError(error));
    socket.on('close', () => this.onSocketClose());
    this.reader.feed(stream);
    socket.resume();
  }

  data(chunk: Uint8Array): void {
    this.unconsumed += chunk.length;
    this.socket.write(this.socket.writableLength > 0 ? unpinned(chunk) : chunk);
    this.settle();
  }

  end(): void {
    this.socket.end();
  }

  writable(): void {
    this.socket.resume();
  }

  closed(error: FairleadError | undefined): void {
    // After a clean end the last bytes may still be on their way to the target: the socket ends by itself.
    if (error !== undefined) resetSocket(this.socket);
    this.finish(error);
  }

  /** What the kernel has taken is credit for the peer. */
  private settle(): void {
    const taken = this.unconsumed - this.socket.writableLength;
    if (taken <= 0) return;
    this.unconsumed -= taken;
    this.stream?.consumed(taken);
  }

  private onSocketError(error: NodeJS.ErrnoException): void {
    const code: WireCode =
      error.code !== undefined && error.code in wireCodes ? (error.code as WireCode) : 'ECONNRESET';
    this.stream?.reset(code, error.message);
    this.finish(error);
  }

  private onSocketClose(): void {
    // Closed without having ended both ways: somebody here destroyed it.
    if (this.state === 'open' && !(this.socket.readableEnded && this.socket.writableFinished)) {
      this.stream?.reset('ECONNRESET', 'the connection was closed');
      this.finish(undefined);
    }
  }

  private finish(error: FairleadError | Error | undefined): void {
    if (this.state === 'ended') return;
    this.state = 'ended';
    this.reader.feed(undefined);
    this.events.ended(error);
  }
}
