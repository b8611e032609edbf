// A dial until its end: accepted, refused, timed out or abandoned. Until then it stands between the stream
// and its user, so that what the session cannot know (no such node, a bad token, a dial limit) reaches the
// user as the error that it is. Once accepted it is out of the way.

import { inBackground } from '../link/background.ts';
import type { ErrorCode, FairleadError } from '../protocol/errors.ts';
import type { RemoteAddress } from '../protocol/open.ts';
import type { Stream, StreamHandler } from '../protocol/stream.ts';

export class PendingDial implements StreamHandler {
  readonly #user: StreamHandler;
  readonly #settled: (dial: PendingDial) => void;
  /** Why no answer came, as only the link knows. */
  readonly #whyUnanswered: () => FairleadError;
  #stream: Stream | undefined;
  #timer: NodeJS.Timeout | undefined;
  #isSettled = false;

  /** `settled` is called once, when the dial is no longer pending. */
  constructor(user: StreamHandler, whyUnanswered: () => FairleadError, settled: (dial: PendingDial) => void) {
    this.#user = user;
    this.#whyUnanswered = whyUnanswered;
    this.#settled = settled;
  }

  begin(stream: Stream, timeoutMs: number): void {
    this.#stream = stream;
    if (this.#isSettled) return;
    // Unreferenced: it is the user's socket that keeps the process alive.
    this.#timer = inBackground(setTimeout(() => this.fail(this.#whyUnanswered()), timeoutMs));
  }

  /** Ends the dial with an error of this side's. */
  fail(error: FairleadError): void {
    if (!this.#settle()) return;
    // A user who reset the stream has given up before and wants to hear no more.
    if (this.#stream?.state !== 'opening') return;
    this.#stream.reset(resetCodeOf(error.code), 'the dial was given up');
    this.#user.closed(error);
  }

  accepted(remote: RemoteAddress): void {
    if (!this.#settle()) return;
    if (this.#stream !== undefined) this.#stream.handler = this.#user;
    this.#user.accepted?.(remote);
  }

  data(chunk: Uint8Array): void {
    this.#user.data(chunk);
  }

  end(): void {
    this.#user.end();
  }

  writable(): void {
    this.#user.writable();
  }

  closed(error: FairleadError | undefined): void {
    if (!this.#settle()) return;
    // There was nothing to resume yet: the wait was for an answer.
    this.#user.closed(error?.code === 'ERR_RESUME_TIMEOUT' ? this.#whyUnanswered() : error);
  }

  #settle(): boolean {
    if (this.#isSettled) return false;
    this.#isSettled = true;
    clearTimeout(this.#timer);
    this.#settled(this);
    return true;
  }
}

/** What the agent is told; most of our own reasons mean nothing to it. */
function resetCodeOf(code: ErrorCode): 'ETIMEDOUT' | 'ERR_ABORTED' {
  return code === 'ETIMEDOUT' ? 'ETIMEDOUT' : 'ERR_ABORTED';
}
