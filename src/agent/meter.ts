// What the agent tells whoever counts. Codes are from the closed list; nothing a dialer chooses gets here.

import type { SessionCounts } from '../metrics/session-totals.ts';
import type { ErrorCode, WireCode } from '../protocol/errors.ts';

/** Bytes of one connection to a target, as a socket counts them. */
export interface Traffic {
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

export interface Meter {
  sessionBegan(session: SessionCounts): void;
  sessionRefused(code: ErrorCode): void;
  sessionEnded(code: ErrorCode, session: SessionCounts): void;
  /** A dialer came back to its session on another link, having been away for so long. */
  sessionResumed(seconds: number): void;
  dialled(outcome: 'connected' | WireCode, seconds: number): void;
  /** A connection to a target carries a stream. Call the answer at its end. */
  streaming(traffic: Traffic): () => void;
  streamReset(code: WireCode): void;
}

export const noMeter: Meter = {
  sessionBegan() {},
  sessionRefused() {},
  sessionEnded() {},
  sessionResumed() {},
  dialled() {},
  streaming: () => () => {},
  streamReset() {},
};
