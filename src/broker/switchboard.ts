// How a message finds its link. One implementation per engine; none of them decides anything: who may send
// what to whom is the relay's business.

import type { AgentLink, BrokerLink, DialLink } from './link.ts';

/** The links that meet in this process. One that ends at another replica is here as a stand-in. */
export interface Switchboard {
  add(link: BrokerLink): void;
  /** Takes out this very link, and not one that has since taken its place. Answers whether it was there. */
  remove(link: BrokerLink): boolean;
  /** Where a dialer's messages go. On the hot path: no allocation. */
  agent(node: string, instance: string): AgentLink | undefined;
  /** Where an agent's messages go; the session id in signed halves. On the hot path: no allocation. */
  dialer(sessionHigh: number, sessionLow: number): DialLink | undefined;
  /** Where a new session begins: the agent of the node that came last and is not draining. */
  newestAgent(node: string): AgentLink | undefined;
  /** Of one node, or of all. */
  agents(node?: string): Iterable<AgentLink>;
  /** Every dial link of a node, whichever instance it is bound to. */
  dialers(node: string): Iterable<DialLink>;
  dialerCount(node: string): number;
  /** Of every kind, over all nodes. */
  linkCount(principal: string): number;
  /** Over all nodes. */
  readonly sessionCount: number;
  links(): Iterable<BrokerLink>;
}
