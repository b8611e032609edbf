// What a relay may be told, with the defaults.

import type { BrokerLog } from './broker-log.ts';
import type { VerifyToken } from './identity.ts';
import type { BrokerLink } from './link.ts';

export interface RelayOptions {
  /** Broker build, told to peers. At most 64 characters. Default `dev`. */
  readonly version: string;
  /** Largest message forwarded, in bytes, envelope included; 4096 to 16 777 216. Default 266 240. */
  readonly maxMessageBytes: number;
  /** Most bytes one session may have unacknowledged in each direction, at least 65 536. Default 16 MiB. */
  readonly inFlightBytes: number;
  /**
   * Most bytes that all sessions together may have in flight, both ways: for an engine that cannot tell how much
   * it has queued. Shared out by {@link shareOf} and told with BUDGET. Default: `inFlightBytes` for each.
   */
  readonly totalInFlightBytes: number | undefined;
  /** Where every message costs: senders put as much into one as fits. Default false. */
  readonly messagesAreDear: boolean;
  /** Senders put several frames of bulk into one message, at the price of a copy. Default `messagesAreDear`. */
  readonly packBulk?: boolean | undefined;
  /** Bytes queued on an agent's link above which the dialers that write to it are paused. Default 1 MiB. */
  readonly highWaterBytes: number;
  /** Bytes queued below which they go on. Default 256 KiB. */
  readonly lowWaterBytes: number;
  /** Bytes queued on a dialer's link beyond `inFlightBytes` before it is cut. Default 1 MiB. */
  readonly slowReaderSlackBytes: number;
  /** Bytes queued on an agent's link above which messages for it are dropped. Default 64 MiB. */
  readonly agentLimitBytes: number;
  /** Most links of one principal. Default 4096. */
  readonly maxLinksPerPrincipal: number;
  /** Control frames that one link may send unasked in any one second. Default 200. */
  readonly maxControlFramesPerSecond: number;
  /** Most dial links on one node. Default 4096. */
  readonly maxSessionsPerNode: number;
  /** Most sessions whose ATTACH one agent link may have left unanswered. Default 4096. */
  readonly maxUnanswered: number;
  /** Checks newer tokens that peers show on live links. Default: none is taken, and links end with their tokens. */
  readonly verifyToken?: VerifyToken | undefined;
  /** Hears of every link that is over, and why. Default: nobody. */
  readonly left?: ((link: BrokerLink, code: number, reason: string) => void) | undefined;
  /** Milliseconds, for rates. Default: the system's. */
  readonly now: () => number;
  readonly log: BrokerLog;
}

export const defaultRelayOptions: Omit<RelayOptions, 'log'> = {
  version: 'dev',
  // Four frames of 64 KiB, their headers, and room for small frames packed with them.
  maxMessageBytes: 260 * 1024,
  inFlightBytes: 16 * 1024 * 1024,
  totalInFlightBytes: undefined,
  messagesAreDear: false,
  highWaterBytes: 1024 * 1024,
  lowWaterBytes: 256 * 1024,
  slowReaderSlackBytes: 1024 * 1024,
  agentLimitBytes: 64 * 1024 * 1024,
  maxLinksPerPrincipal: 4096,
  maxControlFramesPerSecond: 200,
  maxSessionsPerNode: 4096,
  maxUnanswered: 4096,
  now: Date.now,
};
