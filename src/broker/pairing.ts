// Which dialer is with which agent. A dial link is offered to its node's agent, which accepts or refuses it; until
// it has, nothing that the agent sends is passed on. Holds nothing beyond the tags of the links.

import { type Attach, encodeControl, type Reason } from '../protocol/control.ts';
import { formatSession } from '../protocol/envelope.ts';
import { closeCodes } from '../protocol/errors.ts';
import { frameTypes } from '../protocol/frame.ts';
import { type BackPressure, isBound } from './back-pressure.ts';
import type { Counters, DropReason, RefusalReason } from './counters.ts';
import {
  type AgentLink,
  type BrokerLink,
  type DialLink,
  type DialState,
  highOf,
  lowOf,
  sessionOf,
} from './link.ts';
import { describeLink } from './link-fields.ts';
import type { RelayOptions } from './relay-options.ts';
import type { Replicas } from './replicas.ts';
import type { Switchboard } from './switchboard.ts';

/** What the relay does for all its parts. */
export interface PairingRelay {
  readonly switchboard: Switchboard;
  readonly counters: Counters;
  readonly replicas: Replicas | undefined;
  undelivered(sender: BrokerLink, sessionHigh: number, sessionLow: number): void;
  /** A session has come or gone. */
  shareOut(): void;
}

type Cut = (link: BrokerLink, code: number, reason: string, tellOthers?: boolean) => void;

export class Pairing {
  readonly #relay: PairingRelay;
  readonly #options: RelayOptions;
  readonly #backPressure: BackPressure;
  readonly #cut: Cut;

  constructor(relay: PairingRelay, options: RelayOptions, backPressure: BackPressure, cut: Cut) {
    this.#relay = relay;
    this.#options = options;
    this.#backPressure = backPressure;
    this.#cut = cut;
  }

  openAgent(link: AgentLink): void {
    const { node, instance } = link.tag;
    const old = this.#relay.switchboard.agent(node, instance);
    if (old !== undefined && old.tag.attempt > link.tag.attempt) {
      this.#cut(link, closeCodes.replaced, 'this instance has a newer link');
      return;
    }
    // No word to the dialers: their messages go to the new link from here on.
    if (old !== undefined) this.#cut(old, closeCodes.replaced, 'this instance has a newer link', false);
    if (this.#hasTooMany(link)) return;
    this.#relay.switchboard.add(link);
    this.#relay.replicas?.agentCame(link);
    for (const dialer of this.#relay.switchboard.dialers(node)) {
      const bound = dialer.tag.instance;
      if (bound !== undefined && bound !== instance) continue;
      if (dialer.tag.state === 'carried') this.#relay.replicas?.letGo(dialer);
      this.#offer(dialer, link);
    }
  }

  openDialer(link: DialLink): void {
    const { tag } = link;
    const old = this.#relay.switchboard.dialer(tag.sessionHigh, tag.sessionLow);
    if (old !== undefined) {
      if (old.tag.principal !== tag.principal || old.tag.node !== tag.node) {
        this.#refuse(link, 'session-taken', closeCodes.forbidden, 'ERR_PRINCIPAL: the session is in use');
        return;
      }
      if (old.tag.attempt > tag.attempt) {
        this.#cut(link, closeCodes.replaced, 'this session has a newer link');
        return;
      }
      // A session stays with its instance, whether or not the dialer has heard which one it is.
      tag.instance ??= old.tag.instance;
      const staysPut = tag.instance === old.tag.instance;
      this.#cut(old, closeCodes.replaced, 'this session has a newer link', !staysPut);
    }
    if (this.#relay.switchboard.dialerCount(tag.node) >= this.#options.maxSessionsPerNode) {
      this.#refuse(link, 'session-limit', closeCodes.limit, 'ERR_RATE_LIMIT: too many sessions on this node');
      return;
    }
    if (this.#hasTooMany(link)) return;
    this.#relay.switchboard.add(link);
    this.#relay.shareOut();
    const agent =
      tag.instance === undefined
        ? this.#relay.switchboard.newestAgent(tag.node)
        : this.#relay.switchboard.agent(tag.node, tag.instance);
    if (agent !== undefined) this.#offer(link, agent);
    else if (this.#relay.replicas !== undefined) this.#relay.replicas.seek(link);
    else this.#relay.undelivered(link, tag.sessionHigh, tag.sessionLow);
  }

  drain(link: AgentLink): void {
    if (link.tag.state !== 'serving') return;
    link.tag.state = 'draining';
    link.saveTag();
    this.#relay.replicas?.agentDrains(link);
    this.#options.log.info({ event: 'agent-draining', ...describeLink(link) }, 'agent takes no new sessions');
  }

  /** The agent takes the session's link. False where nobody had asked. */
  accepted(link: AgentLink, session: bigint): boolean {
    if (this.#isStale(link, session)) return true;
    const dialer = this.#asker(link, session);
    if (dialer === undefined || dialer.tag.state !== 'offered') return false;
    dialer.tag.state = 'accepted';
    dialer.saveTag();
    dialer.send(encodeControl(frameTypes.ATTACH, session, { instance: link.tag.instance }));
    return true;
  }

  /** The agent does not take the session's link. False where nobody had asked. */
  refusedBy(link: AgentLink, session: bigint, { code, reason }: Reason): boolean {
    if (this.#isStale(link, session)) return true;
    const dialer = this.#asker(link, session);
    if (dialer === undefined) return false;
    // The agent does not have this link's session, so it is not told that the link left either.
    dialer.tag.state = 'waiting';
    this.#refuse(dialer, 'refused-by-agent', closeCodes.forbidden, `${code}: ${reason}`);
    return true;
  }

  agentLeft(link: AgentLink): void {
    for (const dialer of [...this.#relay.switchboard.dialers(link.tag.node)]) {
      const { sessionHigh, sessionLow } = dialer.tag;
      if (!isPaired(dialer) || !isBound(dialer, link)) continue;
      dialer.tag.state = 'waiting';
      this.#backPressure.release(dialer);
      dialer.saveTag();
      this.#relay.undelivered(dialer, sessionHigh, sessionLow);
      this.#relay.replicas?.seek(dialer);
    }
  }

  dialerLeft(link: DialLink, stateBefore: DialState, tellAgent: boolean): void {
    const { node, instance, session, sessionHigh, sessionLow } = link.tag;
    if (stateBefore === 'carried') this.#relay.replicas?.letGo(link);
    if ((stateBefore !== 'offered' && stateBefore !== 'accepted') || instance === undefined) return;
    const agent = this.#relay.switchboard.agent(node, instance);
    if (agent === undefined) return;
    if (stateBefore === 'offered') {
      agent.tag.unanswered.set(session, (agent.tag.unanswered.get(session) ?? 0) + 1);
      agent.saveTag();
    }
    if (tellAgent) agent.send(encodeControl(frameTypes.DETACH, sessionOf(sessionHigh, sessionLow)));
  }

  #hasTooMany(link: BrokerLink): boolean {
    if (this.#relay.switchboard.linkCount(link.tag.principal) < this.#options.maxLinksPerPrincipal)
      return false;
    this.#refuse(
      link,
      'principal-limit',
      closeCodes.limit,
      'ERR_RATE_LIMIT: too many links of this principal',
    );
    return true;
  }

  /** Tells the agent who is on the session's link. Until it answers, nothing it sends is passed on. */
  #offer(link: DialLink, agent: AgentLink): void {
    const { tag } = link;
    if (agent.tag.unanswered.size >= this.#options.maxUnanswered) {
      this.#refuse(link, 'session-limit', closeCodes.limit, 'ERR_RATE_LIMIT: the agent does not answer');
      return;
    }
    // The agent's own strings, so that the comparison for each message is of pointers.
    tag.node = agent.tag.node;
    tag.instance = agent.tag.instance;
    tag.state = 'offered';
    this.#backPressure.release(link);
    link.saveTag();
    const attach: Attach = {
      principal: tag.principal,
      grants: tag.targets === undefined ? {} : { targets: [...tag.targets] },
    };
    agent.send(encodeControl(frameTypes.ATTACH, sessionOf(tag.sessionHigh, tag.sessionLow), attach));
  }

  /** True for an answer about a link that has left before it came. */
  #isStale(link: AgentLink, session: bigint): boolean {
    const { unanswered } = link.tag;
    const name = formatSession(session);
    const stale = unanswered.get(name);
    if (stale === undefined) return false;
    if (stale === 1) unanswered.delete(name);
    else unanswered.set(name, stale - 1);
    link.saveTag();
    this.#drop('stale-answer');
    return true;
  }

  /** The dial link that an agent's answer is about. */
  #asker(link: AgentLink, session: bigint): DialLink | undefined {
    const dialer = this.#relay.switchboard.dialer(highOf(session), lowOf(session));
    if (dialer !== undefined && isPaired(dialer) && isBound(dialer, link)) return dialer;
    this.#drop(dialer === undefined ? 'dialer-away' : 'not-this-agents-session');
    return undefined;
  }

  #refuse(link: BrokerLink, why: RefusalReason, code: number, reason: string): void {
    this.#relay.counters.refused[why]++;
    this.#cut(link, code, reason);
  }

  #drop(why: DropReason): void {
    this.#relay.counters.dropped[why]++;
  }
}

/** True where an agent here was told of this link. */
function isPaired(dialer: DialLink): boolean {
  return dialer.tag.state === 'offered' || dialer.tag.state === 'accepted';
}
