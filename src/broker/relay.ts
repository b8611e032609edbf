// The relay: pairs links and forwards messages unchanged, reading the first eight bytes of each. It knows no
// runtime, socket or clock, holds no stream state, and remembers nothing beyond the tags of open links.

import { encodeControl, type Hello, type Reason } from '../protocol/control.ts';
import { controlSession, envelopeBytes, readU32 } from '../protocol/envelope.ts';
import { closeCodes } from '../protocol/errors.ts';
import { frameTypes } from '../protocol/frame.ts';
import { BackPressure, isBound } from './back-pressure.ts';
import { bounded } from './broker-log.ts';
import { shareOf } from './budget.ts';
import { ControlChannel } from './control-channel.ts';
import { type Counters, countClosed, type DropReason, newCounters } from './counters.ts';
import {
  type AgentLink,
  type BrokerLink,
  type DialLink,
  type DialState,
  isAgentLink,
  isDialLink,
  type LinkTag,
  sessionOf,
} from './link.ts';
import { describeLink } from './link-fields.ts';
import { Pairing } from './pairing.ts';
import type { RelayOptions } from './relay-options.ts';
import type { Replicas } from './replicas.ts';
import type { Switchboard } from './switchboard.ts';

export class Relay {
  readonly counters: Counters = newCounters();
  readonly switchboard: Switchboard;
  readonly #options: RelayOptions;
  /** Where dial links are taken whose agent is not here; undefined: there is nowhere else. */
  replicas: Replicas | undefined;
  readonly backPressure: BackPressure;
  readonly #pairing: Pairing;
  readonly #control: ControlChannel;
  /** What each session may have in flight, as was last told. */
  #inFlightBytes: number;
  /** What HELLO says. */
  #maxMessageBytes: number;

  constructor(switchboard: Switchboard, options: RelayOptions) {
    this.switchboard = switchboard;
    this.#options = options;
    this.#maxMessageBytes = options.maxMessageBytes;
    this.#inFlightBytes = this.#share();
    const cut = this.#cut.bind(this);
    this.backPressure = new BackPressure(switchboard, this.counters, options);
    this.#pairing = new Pairing(this, options, this.backPressure, cut);
    this.#control = new ControlChannel(options, this.#pairing, cut);
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
    if (isAgentLink(link)) this.#pairing.openAgent(link);
    else if (isDialLink(link)) this.#pairing.openDialer(link);
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
      else if (high === 0 && low === 0) this.#control.receive(link, message);
      else this.#cut(link, closeCodes.protocol, 'a message with the id of another session');
    } else if (isAgentLink(link)) {
      if (high === 0 && low === 0) this.#control.receive(link, message);
      else this.#fromAgent(link, message, high, low);
    }
  }

  /** A text message: Fairlead has none. */
  receiveText(link: BrokerLink): void {
    this.#cut(link, closeCodes.unsupported, 'a text message');
  }

  /** The engine has handed to the network what was queued on this link. */
  drained(link: BrokerLink): void {
    if (isAgentLink(link)) this.backPressure.drained(link);
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
      this.backPressure.release(link);
      link.saveTag();
    }
    if (link.tag.state === 'waiting') this.undelivered(link, link.tag.sessionHigh, link.tag.sessionLow);
  }

  /** For {@link Replicas}: a message for the peer of a carried link, checked by the replica that has its agent. */
  deliver(link: DialLink, message: Uint8Array): void {
    if (link.tag.state === 'closed') return;
    this.#toDialer(link, message);
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
    else this.#toAgent(agent, message);
    this.backPressure.check(link, agent);
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
    this.#toDialer(dialer, message);
  }

  #toAgent(agent: AgentLink, message: Uint8Array): void {
    this.counters.messagesToAgents++;
    this.counters.bytesToAgents += message.length;
    agent.send(message);
  }

  #toDialer(dialer: DialLink, message: Uint8Array): void {
    this.counters.messagesToDialers++;
    this.counters.bytesToDialers += message.length;
    dialer.send(message);
    if (dialer.bufferedBytes() > this.#options.inFlightBytes + this.#options.slowReaderSlackBytes)
      this.#cut(dialer, closeCodes.slowReader, 'too much is waiting for this link to read');
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
    this.backPressure.left(link);
    this.#options.log.info(
      { event: 'link-closed', ...describeLink(link), code, reason: bounded(reason) },
      'link closed',
    );
    this.#options.left?.(link, code, reason);
    if (!wasPaired) return;
    if (isDialLink(link)) {
      this.#pairing.dialerLeft(link, stateBefore as DialState, tellOthers);
      this.shareOut();
    } else if (isAgentLink(link)) {
      this.replicas?.agentLeft(link);
      if (tellOthers) this.#pairing.agentLeft(link);
    }
  }

  /** What each session may have in flight now. */
  #share(): number {
    const { totalInFlightBytes, inFlightBytes } = this.#options;
    if (totalInFlightBytes === undefined) return inFlightBytes;
    return shareOf(this.switchboard.sessionCount, totalInFlightBytes, inFlightBytes);
  }

  /** For {@link Pairing}: a session has come or gone. Tells every peer where that changes its share. */
  shareOut(): void {
    const bytes = this.#share();
    if (bytes === this.#inFlightBytes) return;
    this.#inFlightBytes = bytes;
    const message = encodeControl(frameTypes.BUDGET, BigInt(bytes));
    for (const link of this.switchboard.links()) link.send(message);
  }

  #drop(why: DropReason): void {
    this.counters.dropped[why]++;
  }
}

function credentialOf(tag: LinkTag): string {
  return tag.serial === undefined ? 'token' : 'certificate';
}
