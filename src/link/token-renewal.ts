// Shows the broker a newer token before the one in use ends, on the link that is up. Holds the token that was shown
// last, to know a newer one by; puts it nowhere but into REAUTH.

import { decodeJwt } from 'jose/jwt/decode';
import type { BrokerAccess } from './broker-access.ts';
import { RenewalTimer } from './renewal-timer.ts';

/** How long a broker may take to answer before a token is shown again, in ms. */
const answerMs = 15_000;

export class TokenRenewal {
  private readonly access: BrokerAccess;
  private readonly show: (token: string) => void;
  private shown: string | undefined;
  /** Shown and not answered yet. */
  private offered: { readonly token: string; readonly atMs: number } | undefined;
  private readonly timer = new RenewalTimer(() => void this.renew());
  private asking = false;

  /** `show` sends a token to the broker, on the link that {@link begin} was called for. */
  constructor(access: BrokerAccess, show: (token: string) => void) {
    this.access = access;
    this.show = show;
  }

  /** A link is up, opened with this token, if with any. */
  begin(token: string | undefined): void {
    this.shown = token;
    this.offered = undefined;
    this.wait();
  }

  /** The broker has taken the token that it was shown. */
  answered(): void {
    if (this.offered !== undefined) this.begin(this.offered.token);
  }

  /** There is no link. */
  end(): void {
    this.timer.stop();
    this.shown = undefined;
    this.offered = undefined;
  }

  /** Asks for the token, and shows it to the broker where it is another one. */
  async renew(): Promise<void> {
    const { shown, access } = this;
    if (shown === undefined || this.asking || typeof access.token !== 'function') return;
    this.asking = true;
    try {
      const token = await access.token();
      const isWaiting = this.offered?.token === token && performance.now() - this.offered.atMs < answerMs;
      // The link may have been lost, or another opened, while the token was asked for.
      if (this.shown === shown && token !== shown && !isWaiting) {
        this.offered = { token, atMs: performance.now() };
        this.show(token);
      }
    } catch {
      // A token that cannot be read now may be there the next time.
    } finally {
      this.asking = false;
      if (this.shown !== undefined) this.wait();
    }
  }

  private wait(): void {
    this.timer.waitFor(typeof this.access.token === 'string' ? undefined : tokenEndsAt(this.shown));
  }
}

/** When a token ends, as it says itself; undefined where it does not. */
export function tokenEndsAt(token: string | undefined): number | undefined {
  try {
    const { exp } = decodeJwt(token ?? '');
    return exp === undefined ? undefined : exp * 1000;
  } catch {
    return undefined;
  }
}
