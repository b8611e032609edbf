// Where a TLS connection's records are read to. Node hands over each by itself, so that a message of bulk comes in four or
// five pieces, which the WebSocket library allocates for again and copies: here they lie side by side and are handed over together.
// Must never hold what came beyond the turn of the event loop, nor keep a large buffer for the sake of a few bytes: those are copied.

import type { OnReadOpts } from 'node:net';
import { quietRoom } from './quiet-room.ts';

/** RFC 8446 §5.1: most that a record holds. One that holds less is the last of what was written at once. */
const recordBytes = 16_384;
const roomBytes = 131_072;
/** Least room that a message of bulk is read into, with what WebSocket puts around it. */
const leastRoomBytes = 66_560;
/** So many small reads in a row, and it is quiet. */
const quietAfterReads = 4;

export class RecordReads {
  private readonly deliver: (bytes: Buffer) => void;
  private room: Buffer = quietRoom;
  /** What is held begins and ends here, in a room that is not the shared one. */
  private start = 0;
  private end = 0;
  private smallReads = 0;
  private isScheduled = false;

  /** For a socket's options. */
  readonly onread: OnReadOpts = {
    buffer: () => (this.end === 0 ? this.room : this.room.subarray(this.end)),
    callback: (bytes) => {
      this.take(bytes);
      return true;
    },
  };

  /** `deliver` is given bytes that are its to keep. */
  constructor(deliver: (bytes: Buffer) => void) {
    this.deliver = deliver;
  }

  /** Hands over what is held: for when nothing more will come. */
  flush(): void {
    if (this.end === this.start) return;
    const held = this.room.subarray(this.start, this.end);
    this.start = this.end;
    this.deliver(held);
  }

  private take(bytes: number): void {
    const isWhole = bytes >= recordBytes;
    if (this.room === quietRoom || (!isWhole && this.end === this.start)) this.takeCopy(bytes, isWhole);
    else {
      this.end += bytes;
      if (!isWhole || this.room.length - this.end < recordBytes) this.flush();
      else this.flushSoon();
      // Here and nowhere else: until it has read, the socket keeps the room that it was last given.
      const isHeld = this.end !== this.start;
      if (!isHeld && this.room.length - this.end < leastRoomBytes)
        this.use(Buffer.allocUnsafeSlow(roomBytes));
    }
  }

  private takeCopy(bytes: number, isWhole: boolean): void {
    const copy = Buffer.allocUnsafe(bytes);
    this.room.copy(copy, 0, this.end, this.end + bytes);
    this.smallReads = isWhole ? 0 : this.smallReads + 1;
    if (isWhole) this.use(Buffer.allocUnsafeSlow(roomBytes));
    else if (this.smallReads >= quietAfterReads) this.use(quietRoom);
    this.deliver(copy);
  }

  private use(room: Buffer): void {
    this.room = room;
    this.start = 0;
    this.end = 0;
  }

  /** What was written may have ended with a whole record. */
  private flushSoon(): void {
    if (this.isScheduled) return;
    this.isScheduled = true;
    setImmediate(() => {
      this.isScheduled = false;
      this.flush();
    });
  }
}
