// What one session may use, and the constants both ends must agree on. Every bound of the core is here.

import type { MemoryBudget } from './memory-budget.ts';

/** Credit that a dialer has on a new stream before the agent has granted any, in bytes. Part of the protocol. */
export const initialWindowBytes = 262_144;

/** A limit further than this beyond what was acknowledged is no honest grant, in bytes. Part of the protocol. */
export const maxCreditBytes = 1_073_741_824;

/** Longest reason in RESET and GOAWAY, in bytes of UTF-8. Part of the protocol. */
export const maxReasonBytes = 256;

export interface SessionLimits {
  /** Streams alive at once, those being reset included. Range 1 to 65,536; default 16,384. */
  readonly maxStreams: number;
  /** Largest receive window of one stream, in bytes. Default 16 MiB. */
  readonly maxStreamWindowBytes: number;
  /** What all windows of the session may have grown beyond their first size, in bytes. Default 64 MiB. */
  readonly maxGrowthBytes: number;
  /** Bytes received and not yet consumed, over all streams; the stream that goes over is reset. Default 256 MiB. */
  readonly maxBufferedBytes: number;
  /** How long a silent peer may take to come back before its streams fail, in ms. Default 60,000. */
  readonly resumeWindowMs: number;
  /** Silence after which a session with streams asks its peer for a sign of life, in ms. Default 10,000. */
  readonly pingIntervalMs: number;
  /** Written and unsent bytes at which `write()` answers false, in bytes. Default 256 KiB. */
  readonly highWaterBytes: number;
  /** OPEN frames accepted in any one second; more end the session. Default 10,000. */
  readonly maxOpensPerSecond: number;
  /** RESET frames accepted in any one second; more end the session (CVE-2023-44487). Default 5,000. */
  readonly maxResetsPerSecond: number;
  /**
   * Frames without data (PING, SYNC, CREDIT, FIN, those of unknown types, …) accepted in any one second; more end
   * the session. Default 100,000.
   */
  readonly maxControlFramesPerSecond: number;
  /** What this session shares with others of its process. Default: nothing, only its own bounds hold. */
  readonly memory?: MemoryBudget;
}

export const defaultLimits: SessionLimits = {
  maxStreams: 16_384,
  maxStreamWindowBytes: 16_777_216,
  maxGrowthBytes: 67_108_864,
  maxBufferedBytes: 268_435_456,
  resumeWindowMs: 60_000,
  pingIntervalMs: 10_000,
  highWaterBytes: 262_144,
  maxOpensPerSecond: 10_000,
  maxResetsPerSecond: 5_000,
  maxControlFramesPerSecond: 100_000,
};

/** Counts events of one kind per second of the session's own clock. */
export class PerSecond {
  private readonly max: number;
  private windowStart = Number.NEGATIVE_INFINITY;
  private count = 0;

  constructor(max: number) {
    this.max = max;
  }

  /** False where this event is one too many in its second. */
  allow(nowMs: number): boolean {
    if (nowMs - this.windowStart >= 1000) {
      this.windowStart = nowMs;
      this.count = 0;
    }
    this.count += 1;
    return this.count <= this.max;
  }
}
