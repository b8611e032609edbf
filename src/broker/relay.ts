// The relay: pairs links and forwards messages unchanged, reading the first eight bytes of each. It knows no
// runtime, socket or clock, holds no stream state, and remembers nothing beyond the tags of open links.

import {
  type Attach,
  encodeControl,
  type Hello,
  parsePayload,
  type Reason,
  reasonSchema,
} from '../protocol/control.ts';
import { controlSession, envelopeBytes, formatSession, readU32 } from '../protocol/envelope.ts';
import { closeCodes, FairleadError } from '../protocol/errors.ts';
import { frameTypes } from '../protocol/frame.ts';
import { PerSecond } from '../protocol/limits.ts';
import { reportOf } from './agent-report.ts';
import { bounded } from './broker-log.ts';
import { shareOf } from './budget.ts';
import { readControl } from './control-reader.ts';
import { type Counters, countClosed, type DropReason, newCounters, type RefusalReason } from './counters.ts';
import {
  type AgentLink,
  type BrokerLink,
  type DialLink,
  type DialState,
  highOf,
  isAgentLink,
  isDialLink,
  type LinkTag,
  lowOf,
  sessionOf,
} from './link.ts';
import { renewalOf } from './reauth.ts';
import type { RelayOptions } from './relay-options.ts';
import type { Replicas } from './replicas.ts';
import type { Switchboard } from './switchboard.ts';

export class Relay {
  readonly counters: Counters = newCounters();
  readonly switchboard: Switchboard;
  readonly #options: RelayOptions;
  /** Where dial links are taken whose agent is not here; undefined: there is nowhere else. */
  replicas: Replicas | undefined;
  /** Links whose newer token is being checked: one at a time. */
  readonly #judging = new WeakSet<BrokerLink>();
  /** Control frames that a link has sent unasked. */
  readonly #unasked = new WeakMap<BrokerLink, PerSecond>();
  /** What each session may have in flight, as was last told. */
  #inFlightBytes: number;
  /** What HELLO says. */
  #maxMessageBytes: number;

  constructor(switchboard: Switchboard, options: RelayOptions) {
    this.switchboard = switchboard;
    this.#options = options;
    this.#maxMessageBytes = options.maxMessageBytes;
    this.#inFlightBytes = this.#share();
  }

  /** A link whose peer has shown a token that grants what the tag says. */
  open(link: BrokerLink): void {
    this.counters.linksOpened++;
    const { version, messagesAreDear, packBulk } = this.#options;
    const [maxMessageBytes, inFlightBytes] = [this.#maxMessageBytes, this.#inFlightBytes];
    const hello: Hello = {
      version,
      maxMessageBytes,
      inFlightBytes,
      ...(messagesAreDear ? { messagesAreDear } : {}),
      ...(packBulk === undefined ? {} : { packBulk }),
    };
    link.send(encodeControl(frameTypes.HELLO, controlSession, hello));
    this.admit(link);
  }

  /** A link that has had its HELLO: from {@link open}, or a stand-in for a link that another replica greeted. */
  admit(link: BrokerLink): void {
    this.#options.log.info({ event: 'link-open', ...describeLink(link) }, 'link open');
    if (isAgentLink(link)) this.#openAgent(link);
    else if (isDialLink(link)) this.#openDialer(link);
  }

  /** Takes up links that outlived this process's memory, as their tags say that they were left. Tells nobody. */
  restore(links: Iterable<BrokerLink>): void {
    for (const link of [...links].sort((a, b) => a.tag.since - b.tag.since)) this.switchboard.add(link);
    this.#inFlightBytes = this.#share();
  }

  /** One whole binary message. Never throws: what is wrong with it ends this link only. */
  receive(link: BrokerLink, message: Uint8Array): void {
    if (link.tag.state === 'closed') return;
    if (message.length > this.#options.maxMessageBytes) {
      this.#cut(link, closeCodes.tooBig, 'a message over the advertised size');
      return;
    }
    if (message.length < envelopeBytes) {
      this.#cut(link, closeCodes.protocol, 'a message shorter than its envelope');
      return;
    }
    const high = readU32(message, 0) | 0;
    const low = readU32(message, 4) | 0;
    if (isDialLink(link)) {
      if (high === link.tag.sessionHigh && low === link.tag.sessionLow) this.#fromDialer(link, message);
      else if (high === 0 && low === 0) this.#control(link, message);
      else this.#cut(link, closeCodes.protocol, 'a message with the id of another session');
    } else if (isAgentLink(link)) {
      if (high === 0 && low === 0) this.#control(link, message);
      else this.#fromAgent(link, message, high, low);
    }
  }

  /** A text message: Fairlead has none. */
  receiveText(link: BrokerLink): void {
    this.#cut(link, closeCodes.unsupported, 'a text message');
  }

  /** The engine has handed to the network what was queued on this link. */
  drained(link: BrokerLink): void {
    if (!isAgentLink(link) || !link.tag.congested) return;
    if (link.bufferedBytes() > this.#options.lowWaterBytes) return;
    link.tag.congested = false;
    this.#resumeDialers(link);
  }

  /** The link has ended, whoever ended it. May be called more than once. */
  closed(link: BrokerLink, code: number, reason: string): void {
    if (link.tag.state === 'closed') return;
    this.#leave(link, code, reason, true);
  }

  /** For {@link Replicas}: another replica, which has the agent, gets the link's messages from here on. */
  carried(link: DialLink): void {
    if (link.tag.state !== 'waiting') return;
    link.tag.state = 'carried';
    link.saveTag();
  }

  /** For {@link Replicas}: no replica has an agent for this link any more. */
  stranded(link: DialLink): void {
    if (link.tag.state === 'carried') {
      link.tag.state = 'waiting';
      this.#resume(link);
      link.saveTag();
    }
    if (link.tag.state === 'waiting') this.undelivered(link, link.tag.sessionHigh, link.tag.sessionLow);
  }

  /** For {@link Replicas}: a message for the peer of a carried link, checked by the replica that has its agent. */
  deliver(link: DialLink, message: Uint8Array): void {
    if (link.tag.state === 'closed') return;
    link.send(message);
    this.#checkReader(link);
  }

  /** For {@link Replicas}: the replica that has the agent ends the link. */
  end(link: DialLink, code: number, reason: string): void {
    this.#cut(link, code, reason);
  }

  /** The engine lets go of a link, because too much waits on all of them and most on this one. */
  overflowed(link: BrokerLink): void {
    if (link.tag.state !== 'closed')
      this.#leave(link, closeCodes.slowReader, 'too much is waiting for slow readers', true);
  }

  /**
   * From now on messages have at most `bytes`, where that is less than the setting. Peers that were told otherwise
   * are asked to come again.
   */
  limitMessages(bytes: number): void {
    const most = Math.min(bytes, this.#options.maxMessageBytes);
    if (most === this.#maxMessageBytes) return;
    this.#maxMessageBytes = most;
    this.goAway({ code: 'ERR_DRAINING', reason: 'the size of messages has changed' });
  }

  /**
   * For {@link Replicas}: the instance has a link at another replica, its `attempt`th. Answers whether the one
   * here is newer and stays; the newest wins.
   */
  superseded(node: string, instance: string, attempt: number): boolean {
    const link = this.switchboard.agent(node, instance);
    if (link === undefined) return false;
    if (link.tag.attempt > attempt) return true;
    this.#cut(link, closeCodes.replaced, 'this instance has a newer link');
    return false;
  }

  /** Asks every peer to move; the engine closes the links later. */
  goAway(reason: Reason): void {
    const message = encodeControl(frameTypes.GOAWAY, controlSession, reason);
    for (const link of this.switchboard.links()) link.send(message);
  }

  /** Ends every link; nobody is told of the others. */
  closeAll(code: number, reason: string): void {
    for (const link of [...this.switchboard.links()]) this.#cut(link, code, reason, false);
  }

  /** Closes the links whose token or certificate has ended. A peer with a newer one comes back and its sessions go on. */
  expire(nowMs: number): void {
    for (const link of [...this.switchboard.links()])
      if (link.tag.expiresAt <= nowMs)
        this.#cut(link, closeCodes.unauthorized, `the ${credentialOf(link.tag)} has expired`);
  }

  /** Asks the peers of links that `isAffected` tells to come again; those that are here at `endsAtMs` have expired. */
  recheck(isAffected: (tag: LinkTag) => boolean, endsAtMs: number): void {
    const goAway = encodeControl(frameTypes.GOAWAY, controlSession, {
      code: 'ERR_DRAINING',
      reason: 'who is let in has changed: come again',
    });
    for (const link of this.switchboard.links()) {
      if (!isAffected(link.tag)) continue;
      link.tag.expiresAt = Math.min(link.tag.expiresAt, endsAtMs);
      link.saveTag();
      link.send(goAway);
    }
  }

  /** Closes the links that `isRevoked` tells, as those of ended tokens are. */
  revoke(isRevoked: (tag: LinkTag) => boolean): void {
    for (const link of [...this.switchboard.links()])
      if (isRevoked(link.tag))
        this.#cut(link, closeCodes.unauthorized, `the ${credentialOf(link.tag)} was revoked`);
  }

  /** A message for `sessionHigh`, `sessionLow` found nobody: its sender is told, unless it does not read. */
  undelivered(sender: BrokerLink, sessionHigh: number, sessionLow: number): void {
    if (sender.bufferedBytes() > this.#options.highWaterBytes) return;
    sender.send(encodeControl(frameTypes.UNREACHABLE, sessionOf(sessionHigh, sessionLow)));
  }

  #openAgent(link: AgentLink): void {
    const { node, instance } = link.tag;
    const old = this.switchboard.agent(node, instance);
    if (old !== undefined && old.tag.attempt > link.tag.attempt) {
      this.#cut(link, closeCodes.replaced, 'this instance has a newer link');
      return;
    }
    // No word to the dialers: their messages go to the new link from here on.
    if (old !== undefined) this.#cut(old, closeCodes.replaced, 'this instance has a newer link', false);
    if (this.#hasTooMany(link)) return;
    this.switchboard.add(link);
    this.replicas?.agentCame(link);
    for (const dialer of this.switchboard.dialers(node)) {
      const bound = dialer.tag.instance;
      if (bound !== undefined && bound !== instance) continue;
      if (dialer.tag.state === 'carried') this.replicas?.letGo(dialer);
      this.#offer(dialer, link);
    }
  }

  #openDialer(link: DialLink): void {
    const { tag } = link;
    const old = this.switchboard.dialer(tag.sessionHigh, tag.sessionLow);
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
    if (this.switchboard.dialerCount(tag.node) >= this.#options.maxSessionsPerNode) {
      this.#refuse(link, 'session-limit', closeCodes.limit, 'ERR_RATE_LIMIT: too many sessions on this node');
      return;
    }
    if (this.#hasTooMany(link)) return;
    this.switchboard.add(link);
    this.#shareOut();
    const agent =
      tag.instance === undefined
        ? this.switchboard.newestAgent(tag.node)
        : this.switchboard.agent(tag.node, tag.instance);
    if (agent !== undefined) this.#offer(link, agent);
    else if (this.replicas !== undefined) this.replicas.seek(link);
    else this.undelivered(link, tag.sessionHigh, tag.sessionLow);
  }

  #hasTooMany(link: BrokerLink): boolean {
    if (this.switchboard.linkCount(link.tag.principal) < this.#options.maxLinksPerPrincipal) return false;
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
    this.#resume(link);
    link.saveTag();
    const attach: Attach = {
      principal: tag.principal,
      grants: tag.targets === undefined ? {} : { targets: [...tag.targets] },
    };
    agent.send(encodeControl(frameTypes.ATTACH, sessionOf(tag.sessionHigh, tag.sessionLow), attach));
  }

  #fromDialer(link: DialLink, message: Uint8Array): void {
    const { tag } = link;
    this.counters.messagesFromDialers++;
    this.counters.bytesFromDialers += message.length;
    if (tag.state === 'carried') {
      this.replicas?.carry(link, message);
      return;
    }
    const agent =
      tag.state === 'waiting' || tag.instance === undefined
        ? undefined
        : this.switchboard.agent(tag.node, tag.instance);
    if (agent === undefined) {
      this.#drop('agent-away');
      this.undelivered(link, tag.sessionHigh, tag.sessionLow);
      return;
    }
    // Sessions survive a lost message; a process does not survive a queue without an end.
    if (agent.tag.congested && agent.bufferedBytes() > this.#options.agentLimitBytes)
      this.#drop('agent-overloaded');
    else agent.send(message);
    // Whoever writes while the queue drains waits with the others, so that nobody lives off their pause.
    if (agent.tag.congested || agent.bufferedBytes() > this.#options.highWaterBytes) this.#hold(link, agent);
  }

  #fromAgent(link: AgentLink, message: Uint8Array, high: number, low: number): void {
    this.counters.messagesFromAgents++;
    this.counters.bytesFromAgents += message.length;
    const dialer = this.switchboard.dialer(high, low);
    if (dialer === undefined || !isBound(dialer, link)) {
      this.#drop(dialer === undefined ? 'dialer-away' : 'not-this-agents-session');
      this.undelivered(link, high, low);
      return;
    }
    if (dialer.tag.state !== 'accepted') {
      // No UNREACHABLE: the agent has been told of this link and is about to answer.
      this.#drop('not-accepted');
      return;
    }
    dialer.send(message);
    this.#checkReader(dialer);
  }

  #checkReader(dialer: DialLink): void {
    if (dialer.bufferedBytes() > this.#options.inFlightBytes + this.#options.slowReaderSlackBytes)
      this.#cut(dialer, closeCodes.slowReader, 'too much is waiting for this link to read');
  }

  #control(link: BrokerLink, message: Uint8Array): void {
    try {
      readControl(link.tag.kind, message, (type, session, payload) => {
        // A frame of this very message may have ended the link.
        if (link.tag.state === 'closed') return;
        // Answers to ATTACH may come by the thousand, each of them asked for.
        const isAnswer = type === frameTypes.ATTACH || type === frameTypes.DETACH;
        if (!isAnswer && !this.#mayAsk(link)) return;
        if (type === frameTypes.PING) this.#pong(link, session);
        else if (type === frameTypes.REAUTH) void this.#reauthenticate(link, payload);
        else if (type === frameTypes.STATUS && isAgentLink(link)) link.tag.told = reportOf(payload);
        else if (type === frameTypes.GOAWAY && isAgentLink(link)) this.#drain(link);
        else if (type === frameTypes.ATTACH && isAgentLink(link)) this.#accepted(link, session);
        else if (type === frameTypes.DETACH && isAgentLink(link)) this.#refusedBy(link, session, payload);
      });
    } catch (error) {
      if (!(error instanceof FairleadError)) throw error;
      this.#cut(link, closeCodes.protocol, error.message);
    }
  }

  /** Counts a frame that nobody asked for. False where it was one too many, which has ended the link. */
  #mayAsk(link: BrokerLink): boolean {
    const { maxControlFramesPerSecond, now } = this.#options;
    let rate = this.#unasked.get(link);
    if (rate === undefined) {
      rate = new PerSecond(maxControlFramesPerSecond);
      this.#unasked.set(link, rate);
    }
    if (rate.allow(now())) return true;
    this.#cut(link, closeCodes.limit, 'ERR_RATE_LIMIT: too many control frames');
    return false;
  }

  /** A newer token on a link that is open. Until it is judged, the link is what it was. */
  async #reauthenticate(link: BrokerLink, payload: Uint8Array): Promise<void> {
    const { verifyToken, log } = this.#options;
    if (verifyToken === undefined) return;
    if (this.#judging.has(link)) {
      this.#cut(link, closeCodes.protocol, 'REAUTH before the one before it was answered');
      return;
    }
    this.#judging.add(link);
    try {
      const renewal = await renewalOf(link.tag, payload, verifyToken);
      if (link.tag.state === 'closed') return;
      Object.assign(link.tag, renewal);
      link.saveTag();
      log.info({ event: 'link-renewed', ...describeLink(link) }, 'a newer token was shown');
      link.send(encodeControl(frameTypes.REAUTH));
    } catch (error) {
      if (!(error instanceof FairleadError)) {
        log.error({ event: 'reauth-failed', error: bounded(String(error)) }, 'a newer token was not judged');
        return;
      }
      // Whether it is good cannot be told now: the peer shows it again, and the link is good for as long as it was.
      if (error.code === 'ERR_BROKER_UNREACHABLE') return;
      const code = error.code === 'ERR_PROTOCOL' ? closeCodes.protocol : closeCodes.unauthorized;
      this.#cut(link, code, error.message);
    } finally {
      this.#judging.delete(link);
    }
  }

  #pong(link: BrokerLink, argument: bigint): void {
    if (link.bufferedBytes() > this.#options.highWaterBytes) return;
    link.send(encodeControl(frameTypes.PONG, argument));
  }

  #drain(link: AgentLink): void {
    if (link.tag.state !== 'serving') return;
    link.tag.state = 'draining';
    link.saveTag();
    this.replicas?.agentDrains(link);
    this.#options.log.info({ event: 'agent-draining', ...describeLink(link) }, 'agent takes no new sessions');
  }

  #accepted(link: AgentLink, session: bigint): void {
    const dialer = this.#answered(link, session);
    if (dialer === undefined) return;
    if (dialer.tag.state !== 'offered') {
      this.#mayAsk(link);
      return;
    }
    dialer.tag.state = 'accepted';
    dialer.saveTag();
    dialer.send(encodeControl(frameTypes.ATTACH, session, { instance: link.tag.instance }));
  }

  #refusedBy(link: AgentLink, session: bigint, payload: Uint8Array): void {
    const { code, reason } = parsePayload(reasonSchema, payload);
    const dialer = this.#answered(link, session);
    if (dialer === undefined) return;
    // The agent does not have this link's session, so it is not told that the link left either.
    dialer.tag.state = 'waiting';
    this.#refuse(dialer, 'refused-by-agent', closeCodes.forbidden, `${code}: ${reason}`);
  }

  /** The dial link that an agent's answer is about; undefined where it was for one that has left. */
  #answered(link: AgentLink, session: bigint): DialLink | undefined {
    const { unanswered } = link.tag;
    const name = formatSession(session);
    const stale = unanswered.get(name);
    if (stale !== undefined) {
      if (stale === 1) unanswered.delete(name);
      else unanswered.set(name, stale - 1);
      link.saveTag();
      this.#drop('stale-answer');
      return undefined;
    }
    const dialer = this.switchboard.dialer(highOf(session), lowOf(session));
    if (dialer !== undefined && isPaired(dialer) && isBound(dialer, link)) return dialer;
    this.#drop(dialer === undefined ? 'dialer-away' : 'not-this-agents-session');
    this.#mayAsk(link);
    return undefined;
  }

  #refuse(link: BrokerLink, why: RefusalReason, code: number, reason: string): void {
    this.counters.refused[why]++;
    this.#cut(link, code, reason);
  }

  /** Ends a link from this side. It is out of the switchboard before the peer hears of it. */
  #cut(link: BrokerLink, code: number, reason: string, tellOthers = true): void {
    if (link.tag.state === 'closed') return;
    this.#leave(link, code, reason, tellOthers);
    link.close(code, reason);
  }

  #leave(link: BrokerLink, code: number, reason: string, tellOthers: boolean): void {
    const stateBefore = link.tag.state;
    link.tag.state = 'closed';
    link.saveTag();
    // One that was refused, or ended before it was opened, is nobody's agent or dialer: nobody is told.
    const wasPaired = this.switchboard.remove(link);
    countClosed(this.counters, code);
    this.#options.log.info(
      { event: 'link-closed', ...describeLink(link), code, reason: bounded(reason) },
      'link closed',
    );
    this.#options.left?.(link, code, reason);
    if (!wasPaired) return;
    if (isDialLink(link)) {
      this.#dialerLeft(link, stateBefore as DialState, tellOthers);
      this.#shareOut();
    } else if (isAgentLink(link)) {
      this.replicas?.agentLeft(link);
      if (tellOthers) this.#agentLeft(link);
    }
  }

  #agentLeft(link: AgentLink): void {
    for (const dialer of [...this.switchboard.dialers(link.tag.node)]) {
      const { sessionHigh, sessionLow } = dialer.tag;
      if (!isPaired(dialer) || !isBound(dialer, link)) continue;
      dialer.tag.state = 'waiting';
      this.#resume(dialer);
      dialer.saveTag();
      this.undelivered(dialer, sessionHigh, sessionLow);
      this.replicas?.seek(dialer);
    }
  }

  #dialerLeft(link: DialLink, stateBefore: DialState, tellAgent: boolean): void {
    const { node, instance, session, sessionHigh, sessionLow } = link.tag;
    if (stateBefore === 'carried') this.replicas?.letGo(link);
    if ((stateBefore !== 'offered' && stateBefore !== 'accepted') || instance === undefined) return;
    const agent = this.switchboard.agent(node, instance);
    if (agent === undefined) return;
    if (stateBefore === 'offered') {
      agent.tag.unanswered.set(session, (agent.tag.unanswered.get(session) ?? 0) + 1);
      agent.saveTag();
    }
    if (tellAgent) agent.send(encodeControl(frameTypes.DETACH, sessionOf(sessionHigh, sessionLow)));
  }

  /** What each session may have in flight now. */
  #share(): number {
    const { totalInFlightBytes, inFlightBytes } = this.#options;
    if (totalInFlightBytes === undefined) return inFlightBytes;
    return shareOf(this.switchboard.sessionCount, totalInFlightBytes, inFlightBytes);
  }

  /** A session has come or gone: tells every peer where that changes its share. */
  #shareOut(): void {
    const bytes = this.#share();
    if (bytes === this.#inFlightBytes) return;
    this.#inFlightBytes = bytes;
    const message = encodeControl(frameTypes.BUDGET, BigInt(bytes));
    for (const link of this.switchboard.links()) link.send(message);
  }

  /** The agent's link is full: this dialer waits until it has drained. */
  #hold(link: DialLink, agent: AgentLink): void {
    agent.tag.congested = true;
    if (link.tag.paused) return;
    this.counters.pauses++;
    link.tag.paused = true;
    link.pause();
  }

  #resume(link: DialLink): void {
    if (!link.tag.paused) return;
    link.tag.paused = false;
    link.resume();
  }

  #resumeDialers(agent: AgentLink): void {
    for (const dialer of this.switchboard.dialers(agent.tag.node))
      if (isBound(dialer, agent)) this.#resume(dialer);
  }

  #drop(why: DropReason): void {
    this.counters.dropped[why]++;
  }
}

/** One node and instance has one link at a time, so this says that it is that very link. */
function isBound(dialer: DialLink, agent: AgentLink): boolean {
  return dialer.tag.instance === agent.tag.instance && dialer.tag.node === agent.tag.node;
}

/** True where an agent here was told of this link. */
function isPaired(dialer: DialLink): boolean {
  return dialer.tag.state === 'offered' || dialer.tag.state === 'accepted';
}

function credentialOf(tag: LinkTag): string {
  return tag.serial === undefined ? 'token' : 'certificate';
}

function describeLink(link: BrokerLink): object {
  const { tag } = link;
  const principal = bounded(tag.principal);
  const common = { link: tag.id, kind: tag.kind, node: tag.node, instance: tag.instance, principal };
  return tag.kind === 'agent' ? common : { ...common, session: tag.session };
}
