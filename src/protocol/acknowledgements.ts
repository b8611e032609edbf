// When a receiver tells its peer what has come: soon enough that the sender's window stays open and its replay
// memory small, seldom enough that acknowledgements are not half of all messages.

import { Fifo } from './fifo.ts';
import type { Stream } from './stream.ts';

/** Bytes over all streams that are worth an acknowledgement, unless the session says otherwise … */
export const enoughBytes = 65_536;
/** … but not sooner after the last than this, in ms, unless somebody converses … */
const spacingMs = 1;
/** … or so many have come. */
const mostBytes = 1_048_576;
/** Fewer bytes wait so long, in ms. */
const delayMs = 20;

export class Acknowledgements {
  /** When {@link flush} is due, in the session's milliseconds. */
  dueAtMs = Number.POSITIVE_INFINITY;
  /** Bytes over all streams that are worth an acknowledgement. At most {@link mostBytes}. */
  enoughBytes = enoughBytes;
  private readonly owed = new Fifo<Stream>();
  private bytes = 0;
  private lastMs = Number.NEGATIVE_INFINITY;
  private readonly send: (stream: Stream) => void;

  constructor(send: (stream: Stream) => void) {
    this.send = send;
  }

  /** `bytes` more have come on `stream`. `isPrompt`: the sender keeps little in flight and waits for word. */
  owe(stream: Stream, bytes: number, isPrompt: boolean, nowMs: number): void {
    this.bytes += bytes;
    if (!stream.inAcks) {
      stream.inAcks = true;
      this.owed.push(stream);
    }
    if (this.bytes < this.enoughBytes) this.dueAtMs = Math.min(this.dueAtMs, nowMs + delayMs);
    else if (isPrompt || this.bytes >= mostBytes || nowMs - this.lastMs >= spacingMs) this.flush(nowMs);
    else this.dueAtMs = Math.min(this.dueAtMs, nowMs + 1);
  }

  flush(nowMs: number): void {
    this.dueAtMs = Number.POSITIVE_INFINITY;
    this.lastMs = nowMs;
    this.bytes = 0;
    for (let stream = this.owed.shift(); stream !== undefined; stream = this.owed.shift()) {
      stream.inAcks = false;
      if (stream.live && stream.receive.received > stream.receive.ackedTo) this.send(stream);
    }
  }
}
