// The switchboard of one process: maps, and nothing remembered beyond the links that are open.

import { type AgentLink, type BrokerLink, type DialLink, isAgentLink, isDialLink } from './link.ts';
import type { Switchboard } from './switchboard.ts';

interface NodeLinks {
  /** By instance, in order of arrival. */
  readonly agents: Map<string, AgentLink>;
  readonly dialers: Set<DialLink>;
}

export class MemorySwitchboard implements Switchboard {
  sessionCount = 0;
  readonly #nodes = new Map<string, NodeLinks>();
  readonly #principals = new Map<string, number>();
  /** Two levels of small integers: neither a BigInt nor a string for each message. */
  readonly #sessions = new Map<number, Map<number, DialLink>>();

  add(link: BrokerLink): void {
    const node = this.#nodeFor(link.tag.node);
    this.#principals.set(link.tag.principal, this.linkCount(link.tag.principal) + 1);
    if (isAgentLink(link)) {
      // Deleted first, so that an instance that came back is the newest.
      node.agents.delete(link.tag.instance);
      node.agents.set(link.tag.instance, link);
    } else if (isDialLink(link)) {
      node.dialers.add(link);
      this.sessionCount++;
      const { sessionHigh, sessionLow } = link.tag;
      const sessions = this.#sessions.get(sessionHigh);
      if (sessions === undefined) this.#sessions.set(sessionHigh, new Map([[sessionLow, link]]));
      else sessions.set(sessionLow, link);
    }
  }

  remove(link: BrokerLink): boolean {
    const node = this.#nodes.get(link.tag.node);
    if (node === undefined) return false;
    const wasThere = isAgentLink(link)
      ? node.agents.get(link.tag.instance) === link && node.agents.delete(link.tag.instance)
      : isDialLink(link) && node.dialers.delete(link);
    if (wasThere) this.#forgetLinkOf(link.tag.principal);
    if (wasThere && isDialLink(link)) {
      this.sessionCount--;
      this.#removeSession(link);
    }
    if (node.agents.size === 0 && node.dialers.size === 0) this.#nodes.delete(link.tag.node);
    return wasThere;
  }

  agent(node: string, instance: string): AgentLink | undefined {
    return this.#nodes.get(node)?.agents.get(instance);
  }

  dialer(sessionHigh: number, sessionLow: number): DialLink | undefined {
    return this.#sessions.get(sessionHigh)?.get(sessionLow);
  }

  newestAgent(node: string): AgentLink | undefined {
    let newest: AgentLink | undefined;
    for (const link of this.#nodes.get(node)?.agents.values() ?? [])
      if (link.tag.state === 'serving') newest = link;
    return newest;
  }

  *agents(node?: string): Iterable<AgentLink> {
    if (node !== undefined) yield* this.#nodes.get(node)?.agents.values() ?? [];
    // A yield* for each node would cost several times as much.
    else for (const { agents } of this.#nodes.values()) for (const link of agents.values()) yield link;
  }

  dialers(node: string): Iterable<DialLink> {
    return this.#nodes.get(node)?.dialers ?? [];
  }

  dialerCount(node: string): number {
    return this.#nodes.get(node)?.dialers.size ?? 0;
  }

  linkCount(principal: string): number {
    return this.#principals.get(principal) ?? 0;
  }

  *links(): Iterable<BrokerLink> {
    for (const { agents, dialers } of this.#nodes.values()) {
      for (const link of agents.values()) yield link;
      for (const link of dialers) yield link;
    }
  }

  #nodeFor(name: string): NodeLinks {
    let node = this.#nodes.get(name);
    if (node === undefined) {
      node = { agents: new Map(), dialers: new Set() };
      this.#nodes.set(name, node);
    }
    return node;
  }

  #forgetLinkOf(principal: string): void {
    const left = this.linkCount(principal) - 1;
    if (left > 0) this.#principals.set(principal, left);
    else this.#principals.delete(principal);
  }

  #removeSession(link: DialLink): void {
    const { sessionHigh, sessionLow } = link.tag;
    const sessions = this.#sessions.get(sessionHigh);
    if (sessions?.get(sessionLow) !== link) return;
    sessions.delete(sessionLow);
    if (sessions.size === 0) this.#sessions.delete(sessionHigh);
  }
}
