// What the relay counts. Keys are from closed lists: nothing a peer says makes a new one.

import { closeCodes } from '../protocol/errors.ts';

/** Why a message was not passed on. */
export type DropReason =
  | 'agent-away'
  | 'agent-overloaded'
  | 'dialer-away'
  | 'not-this-agents-session'
  | 'not-accepted'
  | 'stale-answer';

/** Why a request or a link was refused. */
export type RefusalReason =
  | 'not-found'
  | 'node-away'
  | 'not-an-upgrade'
  | 'draining'
  | 'origin'
  | 'keys-away'
  | 'unauthorized'
  | 'bad-request'
  | 'forbidden'
  | 'upgrade-timeout'
  | 'session-taken'
  | 'session-limit'
  | 'principal-limit'
  | 'address-limit'
  | 'request-rate'
  | 'auth-failures'
  | 'overloaded'
  | 'refused-by-agent';

export interface Counters {
  messagesFromDialers: number;
  bytesFromDialers: number;
  messagesFromAgents: number;
  bytesFromAgents: number;
  /** Handed on, and not what the broker itself says. */
  messagesToAgents: number;
  bytesToAgents: number;
  messagesToDialers: number;
  bytesToDialers: number;
  linksOpened: number;
  /** Times that a dialer was paused because its agent's link was full. */
  pauses: number;
  readonly dropped: Record<DropReason, number>;
  readonly refused: Record<RefusalReason, number>;
  /** By close code; one that is not in the list counts as `other`. */
  readonly closed: Record<string, number>;
}

/** RFC 6455 §7.4.1: what peers and `ws` itself close with, beside Fairlead's own. */
const ordinaryCloseCodes = [1000, 1001, 1002, 1005, 1006, 1011];

export function newCounters(): Counters {
  const closed: Record<string, number> = { other: 0 };
  for (const code of [...ordinaryCloseCodes, ...Object.values(closeCodes)]) closed[code] = 0;
  return {
    messagesFromDialers: 0,
    bytesFromDialers: 0,
    messagesFromAgents: 0,
    bytesFromAgents: 0,
    messagesToAgents: 0,
    bytesToAgents: 0,
    messagesToDialers: 0,
    bytesToDialers: 0,
    linksOpened: 0,
    pauses: 0,
    dropped: {
      'agent-away': 0,
      'agent-overloaded': 0,
      'dialer-away': 0,
      'not-this-agents-session': 0,
      'not-accepted': 0,
      'stale-answer': 0,
    },
    refused: {
      'not-found': 0,
      'node-away': 0,
      'not-an-upgrade': 0,
      draining: 0,
      origin: 0,
      'keys-away': 0,
      unauthorized: 0,
      'bad-request': 0,
      forbidden: 0,
      'upgrade-timeout': 0,
      'session-taken': 0,
      'session-limit': 0,
      'principal-limit': 0,
      'address-limit': 0,
      'request-rate': 0,
      'auth-failures': 0,
      overloaded: 0,
      'refused-by-agent': 0,
    },
    closed,
  };
}

export function countClosed(counters: Counters, code: number): void {
  const key = counters.closed[code] === undefined ? 'other' : String(code);
  counters.closed[key] = (counters.closed[key] ?? 0) + 1;
}
