// Asks for the status again and again, and says what came of it. Asks less often where the answer is large, not at all
// while nobody looks, and ever more slowly while nobody answers. The token goes into a header and nowhere else.

import type { ShownStatus } from '../protocol/status.ts';

/** Beside the page, wherever a proxy has put that. */
const statusPath = 'v1/status';

export type FeedEvent =
  | { readonly kind: 'status'; readonly status: ShownStatus }
  | { readonly kind: 'token-needed'; readonly why: string }
  /** `why` is empty where there is nothing more to say. */
  | { readonly kind: 'failed'; readonly why: string; readonly againInMs: number };

const patienceMs = 15_000;
const longestPauseMs = 15_000;

export class StatusFeed {
  readonly #heard: (event: FeedEvent) => void;
  #token: string | undefined;
  /** Nothing is asked for until somebody gives one. */
  #needsToken = false;
  #timer: number | undefined;
  #failures = 0;
  #everyMs = 2000;
  #asking: AbortController | undefined;

  constructor(heard: (event: FeedEvent) => void) {
    this.#heard = heard;
    document.addEventListener('visibilitychange', () => {
      if (document.hidden) this.#pause();
      else if (!this.#needsToken) this.ask();
    });
  }

  useToken(token: string): void {
    this.#token = token;
    this.#needsToken = false;
    this.ask();
  }

  /** Now, whatever was planned. */
  ask(): void {
    this.#pause();
    this.#asking?.abort();
    void this.#ask();
  }

  async #ask(): Promise<void> {
    const asking = new AbortController();
    this.#asking = asking;
    const timer = setTimeout(() => asking.abort(), patienceMs);
    try {
      const headers = new Headers({ accept: 'application/json' });
      if (this.#token !== undefined) headers.set('authorization', `Bearer ${this.#token}`);
      const response = await fetch(statusPath, {
        headers,
        cache: 'no-store',
        credentials: 'same-origin',
        signal: asking.signal,
      });
      if (this.#asking !== asking) return;
      await this.#answered(response, asking);
    } catch (error) {
      if (this.#asking !== asking) return;
      if (error instanceof SyntaxError) this.#failed('what it answers is no status');
      else this.#failed(asking.signal.aborted ? 'it takes too long' : '');
    } finally {
      clearTimeout(timer);
    }
  }

  async #answered(response: Response, asking: AbortController): Promise<void> {
    if (response.status === 401 || response.status === 403) {
      const why = this.#token === undefined ? '' : await reasonOf(response);
      this.#token = undefined;
      this.#needsToken = true;
      this.#heard({ kind: 'token-needed', why });
      return;
    }
    if (!response.ok) {
      this.#failed(await reasonOf(response), (Number(response.headers.get('retry-after')) || 0) * 1000);
      return;
    }
    const text = await response.text();
    if (this.#asking !== asking) return;
    this.#everyMs = text.length < 200_000 ? 2000 : 5000;
    // It comes from whoever served this page, and is shown as text.
    this.#heard({ kind: 'status', status: JSON.parse(text) as ShownStatus });
    this.#failures = 0;
    this.#plan(this.#everyMs);
  }

  #failed(why: string, waitMs = 0): void {
    this.#failures++;
    const pauseMs = Math.min(longestPauseMs, 500 * 2 ** Math.min(this.#failures, 6));
    const againInMs = Math.max(waitMs, pauseMs * (0.75 + Math.random() / 2));
    this.#heard({ kind: 'failed', why, againInMs });
    this.#plan(againInMs);
  }

  #plan(inMs: number): void {
    this.#pause();
    if (!document.hidden) this.#timer = window.setTimeout(() => void this.#ask(), inMs);
  }

  #pause(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
  }
}

async function reasonOf(response: Response): Promise<string> {
  try {
    const { error } = (await response.json()) as { error?: { message?: unknown } };
    if (typeof error?.message === 'string') return error.message;
  } catch {}
  return `HTTP ${response.status}`;
}
