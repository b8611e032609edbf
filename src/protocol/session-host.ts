// What a session core needs of whoever runs it: the time, a way out, and ears for what happens.

import type { FairleadError, WireCode } from './errors.ts';
import type { OpenRequest } from './open.ts';
import type { Stream } from './stream.ts';

/** What a session needs of the world. */
export interface SessionHost {
  /** Monotonic milliseconds. */
  now(): number;
  /** There is something to send: call {@link Session.pull} until it answers undefined, as the link has room. */
  outputReady(): void;
  /** Call {@link Session.advance} at this time or soon after; an earlier time replaces a later one. */
  wakeAt(atMs: number): void;
  /**
   * The session refers to this buffer no longer. A host may use it again (segment-pool.ts) once everything that it
   * pulled before has left the process; a peer can bring this about early, by acknowledging what is still queued.
   */
  retired?(bytes: Uint8Array): void;
  /** Agent: a dialer asks for a stream. Set its handler now; accept or reset it then or later. */
  opened?(stream: Stream, request: OpenRequest): void;
  /** Agent: likewise for a stream whose target is named inside it; where this is absent such are refused. */
  openedSealed?(stream: Stream, version: number): void;
  /** The peer takes no new streams; those that are open go on. */
  goingAway?(code: WireCode, reason: string): void;
  /** The peer answered a PING, this long after it was sent. */
  ponged?(rttMs: number): void;
  /** The session is over and its streams were told. Once. */
  closed(error: FairleadError): void;
}

export type Role = 'dialer' | 'agent';
