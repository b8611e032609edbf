// Reads what a peer says to its broker on session 0, and holds each kind of peer to what it may say.

import { controlTypeName, decodeControl } from '../protocol/control.ts';
import { FairleadError } from '../protocol/errors.ts';
import { frameTypes } from '../protocol/frame.ts';

type PeerKind = 'agent' | 'dial';

const known: ReadonlySet<number> = new Set(Object.values(frameTypes));

const fromBoth: readonly number[] = [frameTypes.PING, frameTypes.PONG, frameTypes.GOAWAY, frameTypes.REAUTH];

const allowed: Readonly<Record<PeerKind, ReadonlySet<number>>> = {
  dial: new Set(fromBoth),
  agent: new Set([...fromBoth, frameTypes.ATTACH, frameTypes.DETACH, frameTypes.STATUS]),
};

/**
 * Calls `visit` for every frame that such a peer may send. Types that this version does not know are among them,
 * to be counted and skipped: that is how v1 grows.
 *
 * @throws FairleadError ERR_PROTOCOL where the message is malformed or says what only a broker or the other
 *   end of a session may say. Frames before the fault were visited.
 */
export function readControl(
  from: PeerKind,
  message: Uint8Array,
  visit: (type: number, session: bigint, payload: Uint8Array) => void,
): void {
  for (const frame of decodeControl(message)) {
    if (allowed[from].has(frame.type) || !known.has(frame.type))
      visit(frame.type, frame.session, frame.payload);
    else throw new FairleadError('ERR_PROTOCOL', `${controlTypeName(frame.type)} from a ${from} link`);
  }
}
