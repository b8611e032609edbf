// Who waits for whom: dialers whose agent's link is full are not read from until it has drained.

import { Stopwatch } from '../metrics/stopwatch.ts';
import type { Counters } from './counters.ts';
import { type AgentLink, type BrokerLink, type DialLink, isAgentLink } from './link.ts';
import type { RelayOptions } from './relay-options.ts';
import type { Switchboard } from './switchboard.ts';

export class BackPressure {
  readonly #switchboard: Switchboard;
  readonly #counters: Counters;
  readonly #options: Pick<RelayOptions, 'lowWaterBytes' | 'highWaterBytes'>;
  /** Agents' links that are full. */
  readonly full: Stopwatch<AgentLink>;
  /** Dialers that wait for one. */
  readonly paused: Stopwatch<DialLink>;

  constructor(switchboard: Switchboard, counters: Counters, options: RelayOptions) {
    this.#switchboard = switchboard;
    this.#counters = counters;
    this.#options = options;
    this.full = new Stopwatch(options.now);
    this.paused = new Stopwatch(options.now);
  }

  /** After a message: the agent's link may be full now, and this dialer waits until it has drained. */
  check(link: DialLink, agent: AgentLink): void {
    // Whoever writes while the queue drains waits with the others, so that nobody lives off their pause.
    if (!agent.tag.congested && agent.bufferedBytes() <= this.#options.highWaterBytes) return;
    agent.tag.congested = true;
    this.full.start(agent);
    if (link.tag.paused) return;
    this.#counters.pauses++;
    link.tag.paused = true;
    this.paused.start(link);
    link.pause();
  }

  release(link: DialLink): void {
    if (!link.tag.paused) return;
    link.tag.paused = false;
    this.paused.stop(link);
    link.resume();
  }

  drained(agent: AgentLink): void {
    if (!agent.tag.congested || agent.bufferedBytes() > this.#options.lowWaterBytes) return;
    agent.tag.congested = false;
    this.full.stop(agent);
    for (const dialer of this.#switchboard.dialers(agent.tag.node))
      if (isBound(dialer, agent)) this.release(dialer);
  }

  /** The link is over: its time ends here. */
  left(link: BrokerLink): void {
    if (isAgentLink(link)) this.full.stop(link);
    else this.paused.stop(link as DialLink);
  }
}

/** One node and instance has one link at a time, so this says that it is that very link. */
export function isBound(dialer: DialLink, agent: AgentLink): boolean {
  return dialer.tag.instance === agent.tag.instance && dialer.tag.node === agent.tag.node;
}
