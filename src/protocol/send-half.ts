// What one side of a stream has written: kept by reference from the byte the peer acknowledged to the
// last one written, so that any part can be sent again. FIN takes one offset after the last byte, so that
// a single number acknowledges both. Invariant: acked ≤ cursor ≤ end (+ 1 once finished), acked ≤ sent.

import { writeSession } from './envelope.ts';
import { bulkPayloadBytes, frameTypes, headroomBytes, writeFrameHeader } from './frame.ts';
import { takeSegment } from './segment-pool.ts';

/** Bytes of one stream with room in front for envelope and frame header: sent whole, it is a message as it is. */
interface Segment {
  readonly bytes: Uint8Array;
  readonly start: number;
  length: number;
  /** Once sent, a segment takes no more bytes: its header is written and may be on its way. */
  sealed: boolean;
}

const smallestSegmentBytes = 512;

export class SendHalf {
  /** The peer has everything below. */
  acked = 0;
  /** The next offset to send. Goes back when the peer asks again. */
  cursor = 0;
  /** The highest offset ever sent, exclusive. */
  sent = 0;
  /** Bytes written so far. */
  end = 0;
  /** The peer accepts offsets below this. */
  limit: number;
  finished = false;

  private segments: Segment[] = [];
  /** Index of the segment that holds `cursor`. */
  private at = 0;

  constructor(limit: number) {
    this.limit = limit;
  }

  /** Where everything written ends, FIN included. */
  get total(): number {
    return this.finished ? this.end + 1 : this.end;
  }

  get unsent(): number {
    return this.total - this.cursor;
  }

  get inFlight(): number {
    return this.cursor - this.acked;
  }

  append(chunk: Uint8Array): void {
    let taken = 0;
    while (taken < chunk.length) {
      const tail = this.segments[this.segments.length - 1];
      const room =
        tail === undefined || tail.sealed
          ? 0
          : Math.min(tail.bytes.length - headroomBytes, bulkPayloadBytes) - tail.length;
      if (tail === undefined || room <= 0) {
        // Twice the last open segment, so that many small writes end up in few frames.
        const wanted = Math.max(
          chunk.length - taken,
          smallestSegmentBytes,
          tail !== undefined && !tail.sealed ? tail.length * 2 : 0,
        );
        const capacity = Math.min(bulkPayloadBytes, wanted);
        this.push(
          capacity === bulkPayloadBytes ? takeSegment() : new Uint8Array(headroomBytes + capacity),
          0,
        );
        continue;
      }
      const length = Math.min(room, chunk.length - taken);
      tail.bytes.set(
        length === chunk.length ? chunk : chunk.subarray(taken, taken + length),
        headroomBytes + tail.length,
      );
      tail.length += length;
      this.end += length;
      taken += length;
    }
  }

  /** Takes `bytes` as it is: `headroomBytes` free, then `length` of payload. The caller gives it away. */
  appendSegment(bytes: Uint8Array, length: number): void {
    this.push(bytes, length);
    this.end += length;
  }

  private push(bytes: Uint8Array, length: number): void {
    const tail = this.segments[this.segments.length - 1];
    if (tail !== undefined) tail.sealed = true;
    this.segments.push({ bytes, start: this.end, length, sealed: false });
  }

  /** Bytes of the next DATA frame that credit allows, or 0. Not about FIN: see {@link finDue}. */
  sendable(): number {
    if (this.cursor >= this.end) return 0;
    const segment = this.current();
    const available = segment.start + segment.length - this.cursor;
    const allowed = this.limit - this.cursor;
    if (allowed >= available) return available;
    // RFC 1122 §4.2.3.4: no silly small pieces while the peer still owes an acknowledgement.
    return this.cursor === this.acked && allowed > 0 ? allowed : 0;
  }

  get finDue(): boolean {
    return this.finished && this.cursor === this.end;
  }

  /** Nothing more may go until the peer grants credit. */
  get blocked(): boolean {
    return this.cursor < this.end && this.sendable() === 0;
  }

  /**
   * The next `bytes` (as {@link sendable} said) as a whole message, without a copy where a whole segment
   * goes; moves the cursor.
   */
  takeMessage(session: bigint, stream: number, bytes: number): Uint8Array {
    const segment = this.current();
    segment.sealed = true;
    let message: Uint8Array;
    if (bytes === segment.length) {
      message = segment.bytes.subarray(0, headroomBytes + bytes);
    } else {
      message = new Uint8Array(headroomBytes + bytes);
      const from = headroomBytes + this.cursor - segment.start;
      message.set(segment.bytes.subarray(from, from + bytes), headroomBytes);
    }
    writeSession(message, session);
    writeFrameHeader(message, headroomBytes - 16, frameTypes.DATA, bytes, stream, this.cursor);
    this.advance(bytes);
    return message;
  }

  /** Copies the next `bytes` to `into` as a DATA frame; moves the cursor; answers the frame's end. */
  takeFrame(into: Uint8Array, at: number, stream: number, bytes: number): number {
    const segment = this.current();
    segment.sealed = true;
    const from = headroomBytes + this.cursor - segment.start;
    writeFrameHeader(into, at, frameTypes.DATA, bytes, stream, this.cursor);
    into.set(segment.bytes.subarray(from, from + bytes), at + 16);
    this.advance(bytes);
    return at + 16 + bytes;
  }

  takeFin(): void {
    this.cursor += 1;
    this.sent = Math.max(this.sent, this.cursor);
  }

  private advance(bytes: number): void {
    this.cursor += bytes;
    if (this.cursor > this.sent) this.sent = this.cursor;
    const segment = this.segments[this.at];
    if (segment !== undefined && this.cursor >= segment.start + segment.length) this.at += 1;
  }

  private current(): Segment {
    const segment = this.segments[this.at];
    if (segment === undefined) throw new RangeError('nothing to send');
    return segment;
  }

  /**
   * The peer has everything below `offset`; what it has is let go, `retire` called with each buffer. Answers
   * whether that was news.
   */
  acknowledge(offset: number, retire: (bytes: Uint8Array) => void): boolean {
    if (offset <= this.acked) return false;
    this.acked = offset;
    let freed = 0;
    for (const segment of this.segments) {
      if (segment.start + segment.length > offset || !segment.sealed) break;
      retire(segment.bytes);
      freed += 1;
    }
    if (freed === this.segments.length) this.segments = [];
    else if (freed > 0) this.segments.splice(0, freed);
    this.at = Math.max(0, this.at - freed);
    if (this.cursor < offset) this.seek(offset);
    return true;
  }

  /** Sends again from `offset`, which is at least `acked`. */
  seek(offset: number): void {
    this.cursor = offset;
    this.at = 0;
    for (const segment of this.segments) {
      if (segment.start + segment.length > offset) break;
      this.at += 1;
    }
  }

  /** Lets all bytes go: the stream was reset. */
  drop(): void {
    this.segments = [];
    this.at = 0;
    this.end = this.cursor = this.acked = this.sent;
    this.finished = false;
  }
}
