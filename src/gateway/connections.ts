// The connections of all listeners of a gateway, and their bound. Whoever is one too many is told so.

import type { Socket } from 'node:net';
import type { Front } from './front.ts';
import { lastAnswer } from './last-answer.ts';
import type { GatewayMeter, TurnedAway } from './meter.ts';

export class Connections {
  /** Served at once. */
  readonly max: number;
  readonly #meter: GatewayMeter;
  readonly #open = new Set<Socket>();
  /** Those that are only told that there is no room. */
  readonly #turnedAway = new Set<Socket>();
  readonly #whenEmpty = new Set<() => void>();

  constructor(max: number, meter: GatewayMeter) {
    this.max = max;
    this.#meter = meter;
  }

  /** Those being served and those being turned away. */
  get count(): number {
    return this.#open.size + this.#turnedAway.size;
  }

  /** To be served, or to be told that there is no room. */
  admit(socket: Socket, front: Front): void {
    if (this.#open.size >= this.max) {
      this.turnAway(socket, 'full', front.fullAnswer);
      return;
    }
    this.#keep(socket, this.#open);
    socket.once('close', this.#meter.connected(front.name));
    front.serve(socket);
  }

  turnAway(socket: Socket, why: TurnedAway, answer: Buffer): void {
    this.#meter.turnedAway(why);
    this.#keep(socket, this.#turnedAway);
    lastAnswer(socket, answer);
  }

  #keep(socket: Socket, group: Set<Socket>): void {
    // Whoever joins it to something listens, too; before that, a client that breaks off is everyday.
    socket.on('error', () => {});
    group.add(socket);
    socket.once('close', () => {
      group.delete(socket);
      if (this.count === 0) for (const resume of this.#whenEmpty) resume();
    });
  }

  /** Resolves once none is left, or after `limitMs`. */
  async empty(limitMs: number): Promise<void> {
    if (this.count === 0) return;
    await new Promise<void>((resolve) => {
      const done = (): void => {
        clearTimeout(timer);
        this.#whenEmpty.delete(done);
        resolve();
      };
      const timer = setTimeout(done, limitMs);
      this.#whenEmpty.add(done);
    });
  }

  breakAll(): void {
    for (const socket of [...this.#open, ...this.#turnedAway]) socket.destroy();
  }
}
