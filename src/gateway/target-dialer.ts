// What every front of the gateway asks for a connection.

import type { StreamSocket } from '../client/index.ts';
import type { DialMark } from '../protocol/dial-mark.ts';

/** What a client of the gateway asked for. */
export interface GatewayTarget extends DialMark {
  /** Whose agent connects. Undefined: whoever serves `host`. */
  readonly node?: string | undefined;
  /** Name or address, resolved at the agent; IPv6 without brackets. */
  readonly host: string;
  /** 1 to 65,535. */
  readonly port: number;
}

/** Makes the connections of a gateway. */
export interface TargetDialer {
  /**
   * A connection that stands, half-open allowed. One that broke in the very moment comes destroyed, with the error
   * as its `errored`. Takes a limited time, and less where `signal` gives up.
   *
   * @throws FairleadError with the reason as its `code`: see `outcomeOf`
   */
  dial(target: GatewayTarget, signal: AbortSignal): Promise<StreamSocket>;
}
