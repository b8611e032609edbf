// What the gateway counts for whoever looks at it: connections by listener, dials by what came of them.

import type { Socket } from 'node:net';
import type { StreamSocket } from '../client/index.ts';
import { FairleadError } from '../protocol/errors.ts';
import type { GatewayFrontStatus } from '../protocol/status.ts';
import type { Front } from './front.ts';
import type { FrontName } from './meter.ts';
import type { GatewayTarget, TargetDialer } from './target-dialer.ts';

/** A front at one address, and how many it serves there. */
export class CountedFront implements Front {
  readonly kind: GatewayFrontStatus['kind'];
  connections = 0;
  readonly #front: Front;

  constructor(kind: GatewayFrontStatus['kind'], front: Front) {
    this.kind = kind;
    this.#front = front;
  }

  get name(): FrontName {
    return this.#front.name;
  }

  get fullAnswer(): Buffer {
    return this.#front.fullAnswer;
  }

  serve(socket: Socket): void {
    this.connections++;
    socket.once('close', () => this.connections--);
    this.#front.serve(socket);
  }

  drain(): void {
    this.#front.drain();
  }
}

/** Counts by codes from the closed list: nothing that a client asks for makes a new one. */
export class CountedDialer implements TargetDialer {
  readonly outcomes: Record<string, number> = { connected: 0 };
  readonly #dialer: TargetDialer;

  constructor(dialer: TargetDialer) {
    this.#dialer = dialer;
  }

  async dial(target: GatewayTarget, signal: AbortSignal): Promise<StreamSocket> {
    try {
      const socket = await this.#dialer.dial(target, signal);
      this.#count('connected');
      return socket;
    } catch (error) {
      this.#count(error instanceof FairleadError ? error.code : 'ERR_CLOSED');
      throw error;
    }
  }

  #count(outcome: string): void {
    this.outcomes[outcome] = (this.outcomes[outcome] ?? 0) + 1;
  }
}
