// Tells the broker how it is with the agent, for people who look: when it has changed, and not more often than every
// five seconds. Says nothing where each message costs, since it would wake a broker that sleeps.

import type { BrokerLink } from '../link/broker-link.ts';
import { frameTypes } from '../protocol/frame.ts';
import { encodeReason } from '../protocol/open.ts';
import type { AgentReport, LastError } from '../protocol/status.ts';

const lookEveryMs = 1000;
const leastBetweenMs = 5000;
/** Longest reason, in bytes of UTF-8, and so at most as many characters. */
const maxReasonBytes = 256;

const decoder = new TextDecoder();

export class StatusReport {
  readonly #streamCount: () => number;
  #link: BrokerLink | undefined;
  #lastError: LastError | undefined;
  /** What was told on this link; nothing at first. */
  #told: AgentReport | undefined;
  #toldAtMs = Number.NEGATIVE_INFINITY;
  #timer: NodeJS.Timeout | undefined;

  constructor(streamCount: () => number) {
    this.#streamCount = streamCount;
  }

  /** Something that somebody asked for, or the agent itself needs, did not come about. */
  failed(code: string, reason: string): void {
    const short = decoder.decode(encodeReason(reason, maxReasonBytes));
    this.#lastError = { code: code.slice(0, 32), reason: short, at: new Date().toISOString() };
  }

  /** From now on it is told to `link`, to which nothing has been told; undefined: to nobody. */
  use(link: BrokerLink | undefined, messagesAreDear: boolean): void {
    this.stop();
    if (link === undefined || messagesAreDear) return;
    this.#link = link;
    this.#told = undefined;
    this.#toldAtMs = Number.NEGATIVE_INFINITY;
    this.#timer = setInterval(() => this.#look(), lookEveryMs).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#link = undefined;
  }

  #look(): void {
    const streams = this.#streamCount();
    const lastError = this.#lastError;
    const isNews = streams !== this.#told?.streams || lastError !== this.#told.lastError;
    const now = performance.now();
    if (!isNews || now - this.#toldAtMs < leastBetweenMs) return;
    this.#told = { streams, ...(lastError === undefined ? {} : { lastError }) };
    this.#toldAtMs = now;
    this.#link?.sendControl(frameTypes.STATUS, undefined, this.#told);
  }
}
