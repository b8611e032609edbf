// One dial link whose agent is at another replica: its messages go there, and it waits while they cannot.

import type { Subscription } from '@nats-io/transport-node';
import type { DialLink } from '../link.ts';
import type { Bus } from './bus.ts';

/** What a link may say before its agent is found, in bytes; more is dropped, and comes again. */
const mostHeldBytes = 1024 * 1024;
/** A pause that nobody ends ends by itself. */
const pauseMs = 1000;

export class Carriage {
  /** Where this replica listens for the link. */
  readonly subject: string;
  /** The agent's subject, once it is known. */
  agent: string | undefined;
  /** The replica that has the agent, once it has taken the link: {@link taken}. */
  replica: string | undefined;
  readonly #link: DialLink;
  readonly #bus: Bus;
  readonly #subscription: Subscription | undefined;
  readonly #watermarks: { readonly highWaterBytes: number; readonly lowWaterBytes: number };
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  /** For an answer. */
  #wait: NodeJS.Timeout | undefined;
  /** The agent's link is full, as its replica says. */
  #lease: NodeJS.Timeout | undefined;
  /** The connection to NATS is full. */
  #isBusFull = false;

  constructor(
    link: DialLink,
    bus: Bus,
    subject: string,
    subscription: Subscription | undefined,
    watermarks: { readonly highWaterBytes: number; readonly lowWaterBytes: number },
  ) {
    this.#link = link;
    this.#bus = bus;
    this.subject = subject;
    this.#subscription = subscription;
    this.#watermarks = watermarks;
  }

  /** Calls `unanswered` after so long, unless it waits for something else by then, or for nothing. */
  wait(ms: number, unanswered: () => void): void {
    clearTimeout(this.#wait);
    this.#wait = setTimeout(unanswered, ms);
  }

  /** The replica has taken the link. */
  taken(replica: string): void {
    clearTimeout(this.#wait);
    this.replica = replica;
  }

  /** The agent was found at `agent`: what the link has said goes there. */
  begin(agent: string): void {
    this.agent = agent;
    const held = this.#held;
    this.#held = [];
    this.#heldBytes = 0;
    for (const message of held) this.carry(message);
  }

  carry(message: Uint8Array): void {
    if (this.agent === undefined) {
      if (this.#heldBytes + message.length > mostHeldBytes) return;
      this.#held.push(message);
      this.#heldBytes += message.length;
      return;
    }
    this.#bus.publish(this.agent, message, this.subject);
    if (this.#isBusFull || this.#bus.unflushedBytes <= this.#watermarks.highWaterBytes) return;
    this.#isBusFull = true;
    this.#link.pause();
  }

  /** NATS has taken more. */
  flushed(): void {
    if (!this.#isBusFull || this.#bus.unflushedBytes > this.#watermarks.lowWaterBytes) return;
    this.#isBusFull = false;
    if (this.#lease === undefined) this.#link.resume();
  }

  pause(): void {
    clearTimeout(this.#lease);
    this.#lease = setTimeout(() => this.resume(), pauseMs);
    this.#link.pause();
  }

  resume(): void {
    clearTimeout(this.#lease);
    this.#lease = undefined;
    if (!this.#isBusFull) this.#link.resume();
  }

  end(): void {
    this.#subscription?.unsubscribe();
    clearTimeout(this.#wait);
    clearTimeout(this.#lease);
    if (this.#lease !== undefined || this.#isBusFull) this.#link.resume();
  }
}
