// What the gateway tells whoever counts. Fronts, codes and reasons are from closed lists; nothing that a client
// chooses gets here.

import type { DialTiming } from '../protocol/open.ts';
import type { Traffic } from './metered-dialer.ts';

/** Those that dial. */
export type DialingFront = 'http-connect' | 'socks5' | 'proxy';

export type FrontName = DialingFront | 'status';

/** Why a connection was not served at all. */
export type TurnedAway = 'full' | 'client-certificate';

export interface GatewayMeter {
  /** A client's connection is served. Call the answer at its end. */
  connected(front: FrontName): () => void;
  turnedAway(why: TurnedAway): void;
  /** A request was refused, or its dial failed: the code that the client was told, or would have been. */
  refused(front: DialingFront, code: string): void;
  /** `timing`: what the agent says of its own share. */
  dialled(front: DialingFront, outcome: string, seconds: number, timing: DialTiming | undefined): void;
  /** A connection to a target stands. Call the answer at its end, with the code that it broke with. */
  carrying(front: DialingFront, traffic: Traffic): (brokenBy: string | undefined) => void;
}

export const noMeter: GatewayMeter = {
  connected: () => () => {},
  turnedAway() {},
  refused() {},
  dialled() {},
  carrying: () => () => {},
};
