// Counts the dials of one front, and the connections that come of them. Adds nothing to a byte's way.

import type { StreamSocket } from '../client/index.ts';
import { FairleadError } from '../protocol/errors.ts';
import type { DialingFront, GatewayMeter } from './meter.ts';
import type { GatewayTarget, TargetDialer } from './target-dialer.ts';

/** Bytes of one connection to a target, as a socket counts them. */
export interface Traffic {
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

export class MeteredDialer implements TargetDialer {
  readonly #dialer: TargetDialer;
  readonly #front: DialingFront;
  readonly #meter: GatewayMeter;

  constructor(dialer: TargetDialer, front: DialingFront, meter: GatewayMeter) {
    this.#dialer = dialer;
    this.#front = front;
    this.#meter = meter;
  }

  async dial(target: GatewayTarget, signal: AbortSignal): Promise<StreamSocket> {
    const startedAtMs = performance.now();
    const ended = (outcome: string, socket?: StreamSocket): void =>
      this.#meter.dialled(this.#front, outcome, (performance.now() - startedAtMs) / 1000, socket?.dialTiming);
    let socket: StreamSocket;
    try {
      socket = await this.#dialer.dial(target, signal);
    } catch (error) {
      ended(codeOf(error));
      throw error;
    }
    ended('connected', socket);
    const carried = this.#meter.carrying(this.#front, socket);
    const closed = (): void => carried(socket.errored === null ? undefined : codeOf(socket.errored));
    if (socket.closed) closed();
    else socket.once('close', closed);
    return socket;
  }
}

function codeOf(error: unknown): string {
  return error instanceof FairleadError ? error.code : 'other';
}
