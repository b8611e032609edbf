// Questions after the way to an agent: how long the broker takes to answer, and how long the agent. A question waits for
// the path, is asked once, and is answered, failed or timed out; it is never asked again.

import { inBackground } from '../link/background.ts';
import { FairleadError } from '../protocol/errors.ts';

/** How long it takes to an agent and back, in ms. */
export interface RoundTrip {
  /** The agent that answered, of those that serve the node. */
  readonly instance: string;
  /** From here to the agent and back. */
  readonly totalMs: number;
  /** The share between here and the broker. */
  readonly brokerMs: number;
  /** The rest: between the broker and the agent. */
  readonly agentMs: number;
}

export interface RoundTripPath {
  /** Sends PING with this number on session 0. */
  askBroker(number: bigint): void;
  /** Sends the session's own PING. */
  askAgent(): void;
  instance(): string;
  /** Why no answer came, as only the link knows. */
  whyUnanswered(waitedMs: number): FairleadError;
}

interface Question {
  readonly number: bigint;
  readonly settle: (outcome: RoundTrip | FairleadError) => void;
  askedMs: number | undefined;
  brokerMs: number | undefined;
  totalMs: number | undefined;
}

/** Questions at once: more than a person or a check has a use for. */
const maxQuestions = 16;

export class RoundTrips {
  readonly #path: RoundTripPath;
  readonly #waiting = new Set<Question>();
  #lastNumber = 0n;

  constructor(path: RoundTripPath) {
    this.#path = path;
  }

  get waiting(): number {
    return this.#waiting.size;
  }

  /** `isOpen`: the agent can be asked now; otherwise once {@link pathOpened} says so. */
  measure(isOpen: boolean, timeoutMs: number, signal?: AbortSignal): Promise<RoundTrip> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted === true) return reject(abortedBy(signal));
      if (this.#waiting.size >= maxQuestions)
        return reject(
          new FairleadError(
            'ERR_RATE_LIMIT',
            `${maxQuestions} pings to this node wait for an answer already`,
          ),
        );
      this.#lastNumber += 1n;
      const sinceMs = performance.now();
      const question: Question = {
        number: this.#lastNumber,
        settle: (outcome) => {
          if (!this.#waiting.delete(question)) return;
          clearTimeout(timer);
          signal?.removeEventListener('abort', abort);
          if (outcome instanceof FairleadError) reject(outcome);
          else resolve(outcome);
        },
        askedMs: undefined,
        brokerMs: undefined,
        totalMs: undefined,
      };
      const abort = (): void => question.settle(abortedBy(signal));
      const timer = inBackground(
        setTimeout(() => question.settle(this.#unanswered(question, performance.now() - sinceMs)), timeoutMs),
      );
      signal?.addEventListener('abort', abort, { once: true });
      this.#waiting.add(question);
      if (isOpen) this.#ask(question);
    });
  }

  /** The agent can be asked. */
  pathOpened(): void {
    for (const question of [...this.#waiting]) if (question.askedMs === undefined) this.#ask(question);
  }

  brokerAnswered(number: bigint): void {
    const now = performance.now();
    for (const question of this.#waiting) {
      if (question.number !== number || question.askedMs === undefined) continue;
      question.brokerMs = now - question.askedMs;
      this.#settleIfWhole(question);
      return;
    }
  }

  /** The session's PING was answered; of several it is the last that counts. */
  agentAnswered(totalMs: number): void {
    for (const question of [...this.#waiting]) {
      if (question.askedMs === undefined) continue;
      question.totalMs ??= totalMs;
      this.#settleIfWhole(question);
    }
  }

  /** There is no path: whoever waits is told why. */
  fail(error: FairleadError): void {
    for (const question of [...this.#waiting]) question.settle(error);
  }

  /** Both at once, so that what delays one delays the other. */
  #ask(question: Question): void {
    question.askedMs = performance.now();
    this.#path.askBroker(question.number);
    this.#path.askAgent();
  }

  #settleIfWhole({ brokerMs, totalMs, settle }: Question): void {
    if (brokerMs === undefined || totalMs === undefined) return;
    settle({
      instance: this.#path.instance(),
      totalMs,
      // Two clocks of one process: an agent beside the broker may seem to answer before it.
      brokerMs: Math.min(brokerMs, totalMs),
      agentMs: Math.max(0, totalMs - brokerMs),
    });
  }

  #unanswered({ brokerMs }: Question, waitedMs: number): FairleadError {
    if (brokerMs === undefined) return this.#path.whyUnanswered(waitedMs);
    return new FairleadError(
      'ETIMEDOUT',
      `the broker answered in ${brokerMs.toFixed(1)} ms, but the agent did not within ${Math.round(waitedMs)} ms`,
    );
  }
}

function abortedBy(signal: AbortSignal | undefined): FairleadError {
  return new FairleadError('ERR_ABORTED', 'the ping was aborted', { cause: signal?.reason });
}
