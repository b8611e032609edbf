// Whether somebody converses on a session: sends little at a time and waits for answers. While it is so, bulk beside it
// keeps little in flight and is acknowledged at once: what is in flight already cannot be overtaken.

import type { Stream } from './stream.ts';

/** A stream with no more than this unsent or in flight sends little, in bytes. */
export const shortBytes = 4096;
/** How long after the last few bytes a conversation is taken to go on, in ms: a person types slower than a program. */
const pauseMs = 1000;

export class Conversation {
  /** Who wrote last, at either end. */
  private speaker: Stream | undefined;
  private spokenAtMs = Number.NEGATIVE_INFINITY;
  private readonly now: () => number;

  constructor(now: () => number) {
    this.now = now;
  }

  /** Few bytes go out or have come. Answers whether a conversation begins. */
  speak(stream: Stream): boolean {
    const { send, receive } = stream;
    // The rest of a transfer is short, too.
    if (send.inFlight > shortBytes || receive.received - receive.ackedTo > shortBytes) return false;
    const begins = !this.isOn;
    this.speaker = stream;
    this.spokenAtMs = this.now();
    return begins;
  }

  /** The stream carries bulk, either way: what it said before was a request for it. */
  carriesBulk(stream: Stream): void {
    if (stream === this.speaker) this.speaker = undefined;
  }

  get isOn(): boolean {
    return this.speaker !== undefined && this.now() - this.spokenAtMs < pauseMs;
  }
}
