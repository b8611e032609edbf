// Replicas that meet over NATS. The replica that has an agent pairs its dialers: for a dialer elsewhere it holds a
// stand-in, and the dialer's replica carries messages between the two. Who has what is told by the subjects that
// replicas are subscribed to; nothing is stored, and what nobody hears is known at once.

import type { Subscription } from '@nats-io/transport-node';
import { nanoid } from 'nanoid';
import type { BrokerLog } from '../broker-log.ts';
import { eachInstance, listNodes, type NodeList, type NodeQuestion } from '../directory.ts';
import { type AgentLink, type DialLink, dialTag, isDialLink } from '../link.ts';
import type { Relay } from '../relay.ts';
import type { Replicas } from '../replicas.ts';
import { Bus, type BusMessage } from './bus.ts';
import { Carriage } from './carriage.ts';
import { answerCensus, mergeNodes, takeCensus } from './census.ts';
import type { NatsFigures } from './figures.ts';
import {
  agentSchema,
  attachSchema,
  closeSchema,
  parse,
  presenceSchema,
  questionSchema,
  upSchema,
} from './messages.ts';
import { connectionOptions, defaultPrefix, type NatsOptions } from './options.ts';
import { Presence } from './presence.ts';
import { RemoteLink } from './remote-link.ts';
import { Subjects } from './subjects.ts';

/** How long a replica that knows of a newer instance elsewhere lets that one answer first. */
const deferenceMs = 50;
/** Between an agent's leaving and the next look for it, so that a look that fails at once is not a loop. */
const againMs = 100;
/**
 * A server may for a moment still count on a subscriber that has just left, and hand it what nobody answers: so an
 * unanswered look is made again, after twice as long each time …
 */
const lookAgainMs = 250;
/** … until it has taken about so long; so long may an agent take, too, to be given a link. */
const lookedLongMs = 8000;
/** Less leaves no room for the smallest message that HELLO may allow. */
const leastPayloadBytes = 8192;
/** Room for subject, reply and header beside a message. */
const overheadBytes = 1024;

interface Service {
  readonly subscription: Subscription | undefined;
}

export class NatsReplicas implements Replicas {
  readonly #relay: Relay;
  readonly #log: BrokerLog;
  readonly #id = nanoid(12);
  readonly #subjects: Subjects;
  readonly #bus: Bus;
  readonly #presence: Presence;
  readonly #watermarks: { readonly highWaterBytes: number; readonly lowWaterBytes: number };
  /** Dial links here whose agent is elsewhere. */
  readonly #carriages = new Map<DialLink, Carriage>();
  /** Dial links elsewhere whose agent is here, by the subject that their replica listens on. */
  readonly #standIns = new Map<string, RemoteLink>();
  readonly #services = new Map<AgentLink, Service>();
  /** Nodes whose newest agent here takes sessions. */
  readonly #finds = new Map<string, Subscription | undefined>();
  /** Nodes with an agent here and one elsewhere that came later: when that was. */
  readonly #rivals = new Map<string, number>();
  readonly #timers = new Set<NodeJS.Timeout>();
  #isFirst = true;

  /** @throws FairleadError ERR_CONFIG */
  constructor(
    relay: Relay,
    options: NatsOptions,
    watermarks: { readonly highWaterBytes: number; readonly lowWaterBytes: number },
    log: BrokerLog,
  ) {
    this.#relay = relay;
    this.#log = log;
    this.#watermarks = watermarks;
    this.#subjects = new Subjects(options.prefix ?? defaultPrefix);
    this.#bus = new Bus(
      connectionOptions(options, `fairlead ${this.#id}`),
      { up: (bytes) => this.#up(bytes), down: () => this.#down(), flushed: () => this.#flushed() },
      log,
    );
    this.#presence = new Presence(
      () => this.#tick(),
      (replica) => this.#replicaLost(replica),
    );
  }

  get isUp(): boolean {
    return this.#bus.isUp;
  }

  /** For whoever counts. */
  get figures(): NatsFigures {
    const { isUp, dropped, connections, unflushedBytes } = this.#bus;
    return {
      isUp,
      dropped,
      connections,
      unflushedBytes,
      replicas: this.#presence.replicas.length,
      carried: this.#carriages.size,
      standIns: this.#standIns.size,
    };
  }

  /** Leaves the others; links here are the caller's to end. */
  async close(): Promise<void> {
    this.#sayPresence(true);
    this.#presence.stop();
    for (const timer of this.#timers) clearTimeout(timer);
    for (const carriage of this.#carriages.values()) carriage.end();
    this.#carriages.clear();
    await this.#bus.close();
  }

  /** Every replica's nodes, and whether every replica answered. */
  async list(question: NodeQuestion): Promise<NodeList> {
    const own = listNodes(this.#relay.switchboard, question);
    const inbox = this.#subjects.own(this.#id, nanoid());
    const { pages, isWhole } = await takeCensus(
      this.#bus,
      this.#subjects.nodes,
      inbox,
      this.#presence.replicas,
      question,
    );
    return { nodes: mergeNodes([own, ...pages]), isWhole };
  }

  // ── what the relay tells ─────────────────────────────────────────────────────────────────────────

  agentCame(link: AgentLink): void {
    this.#rivals.delete(link.tag.node);
    this.#serve(link);
    this.#announce(link);
  }

  agentLeft(link: AgentLink): void {
    this.#services.get(link)?.subscription?.unsubscribe();
    this.#services.delete(link);
    this.agentDrains(link);
  }

  agentDrains({ tag: { node } }: AgentLink): void {
    if (this.#relay.switchboard.newestAgent(node) !== undefined) return;
    this.#finds.get(node)?.unsubscribe();
    this.#finds.delete(node);
    this.#rivals.delete(node);
  }

  seek(link: DialLink): void {
    if (link instanceof RemoteLink) {
      // Its own replica looks further.
      link.say('gone');
      this.#forget(link);
      this.#relay.closed(link, 1000, 'the agent is elsewhere');
      return;
    }
    this.#carriages.get(link)?.end();
    this.#carriages.delete(link);
    if (!this.#bus.isUp) {
      this.#relay.stranded(link);
      return;
    }
    this.#relay.carried(link);
    const { session, id, instance } = link.tag;
    const subject = this.#subjects.session(session, id);
    const subscription = this.#bus.subscribe(subject, (message) => this.#forDialer(link, carriage, message));
    const carriage = new Carriage(link, this.#bus, subject, subscription, this.#watermarks);
    this.#carriages.set(link, carriage);
    if (instance !== undefined) this.#attach(link, carriage, instance);
    else this.#look(link, carriage, lookAgainMs);
  }

  carry(link: DialLink, message: Uint8Array): void {
    this.#carriages.get(link)?.carry(message);
  }

  letGo(link: DialLink): void {
    const carriage = this.#carriages.get(link);
    if (carriage === undefined) return;
    this.#carriages.delete(link);
    if (carriage.agent !== undefined) this.#bus.say(carriage.agent, 'detach', {}, carriage.subject);
    carriage.end();
  }

  // ── the dialer's side ────────────────────────────────────────────────────────────────────────────

  /** Asks who has the node, again until somebody answers, or nobody. */
  #look(link: DialLink, carriage: Carriage, waitMs: number): void {
    if (waitMs >= lookedLongMs) {
      this.#lost(link, carriage);
      return;
    }
    this.#bus.say(this.#subjects.find(link.tag.node), 'find', {}, carriage.subject);
    carriage.wait(waitMs, () => this.#look(link, carriage, 2 * waitMs));
  }

  #attach(link: DialLink, carriage: Carriage, instance: string): void {
    const { id, principal, targets, session, node, attempt, since } = link.tag;
    const body = { replica: this.#id, id, principal, targets, session, node, attempt, since };
    const agent = this.#subjects.agent(node, instance);
    this.#bus.say(agent, 'attach', { ...body, instance: link.tag.instance }, carriage.subject);
    carriage.begin(agent);
    carriage.wait(lookedLongMs, () => this.#lost(link, carriage));
  }

  #forDialer(link: DialLink, carriage: Carriage, { kind, data }: BusMessage): void {
    if (this.#carriages.get(link) !== carriage) return;
    switch (kind) {
      case undefined:
        this.#relay.deliver(link, data);
        break;
      case 'nobody':
        this.#lost(link, carriage);
        break;
      case 'found': {
        const found = parse(agentSchema, data);
        // Of several that answer, the first is taken.
        if (found !== undefined && carriage.agent === undefined) this.#attach(link, carriage, found.instance);
        break;
      }
      case 'attached': {
        const attached = parse(agentSchema, data);
        if (attached === undefined) return;
        carriage.taken(attached.replica);
        link.tag.instance = attached.instance;
        break;
      }
      case 'close': {
        const close = parse(closeSchema, data);
        if (close !== undefined) this.#relay.end(link, close.code, close.reason);
        break;
      }
      case 'gone':
        this.#lost(link, carriage);
        break;
      case 'pause':
        carriage.pause();
        break;
      case 'resume':
        carriage.resume();
        break;
    }
  }

  /** The agent is not where it was sought. Where it had been, it may have moved: one more look. */
  #lost(link: DialLink, carriage: Carriage): void {
    const wasAttached = carriage.replica !== undefined;
    this.#strand(link);
    if (wasAttached) this.#later(againMs, () => link.tag.state === 'waiting' && this.seek(link));
  }

  #strand(link: DialLink): void {
    this.#carriages.get(link)?.end();
    this.#carriages.delete(link);
    this.#relay.stranded(link);
  }

  // ── the agent's side ─────────────────────────────────────────────────────────────────────────────

  #serve(link: AgentLink): void {
    if (this.#isFirst) return;
    const { node, instance } = link.tag;
    if (!this.#services.has(link)) {
      const subject = this.#subjects.agent(node, instance);
      const subscription = this.#bus.subscribe(subject, (message) => this.#forAgent(link, message));
      this.#services.set(link, { subscription });
    }
    if (!this.#finds.has(node) && this.#relay.switchboard.newestAgent(node) !== undefined)
      this.#finds.set(
        node,
        this.#bus.subscribe(this.#subjects.find(node), ({ reply }) => this.#found(node, reply)),
      );
  }

  #announce(link: AgentLink): void {
    const { node, instance, since, attempt } = link.tag;
    this.#bus.say(this.#subjects.up, 'up', { node, instance, since, attempt });
  }

  #found(node: string, reply: string): void {
    const newest = this.#relay.switchboard.newestAgent(node);
    if (newest === undefined || reply === '') return;
    const say = () => {
      if (newest.tag.state === 'serving')
        this.#bus.say(reply, 'found', { replica: this.#id, instance: newest.tag.instance });
    };
    if ((this.#rivals.get(node) ?? 0) > newest.tag.since) this.#later(deferenceMs, say);
    else say();
  }

  #forAgent(agent: AgentLink, { kind, data, reply }: BusMessage): void {
    const standIn = this.#standIns.get(reply);
    if (kind === undefined) {
      if (standIn !== undefined) this.#relay.receive(standIn, data);
      // Its stand-in went with this replica's memory, or with an agent's link: it is to come again.
      else if (reply !== '') this.#bus.say(reply, 'gone');
    } else if (kind === 'attach') {
      this.#take(agent, data, reply);
    } else if (kind === 'detach' && standIn !== undefined) {
      this.#forget(standIn);
      this.#relay.closed(standIn, 1000, 'its link has ended');
    }
  }

  #take(agent: AgentLink, data: Uint8Array, reply: string): void {
    const attach = parse(attachSchema, data);
    if (attach === undefined || reply !== this.#subjects.session(attach.session, attach.id)) return;
    const former = this.#standIns.get(reply);
    if (former !== undefined) {
      this.#forget(former);
      this.#relay.closed(former, 1000, 'it is attached again');
    }
    const { principal, targets, node, session, instance, id, since, attempt } = attach;
    // The replica that the link ends at knows when its token ends, and hears of a newer one.
    const expiresAt = Number.MAX_SAFE_INTEGER;
    const identity = { kind: 'dial', principal, nodes: [node], targets, expiresAt } as const;
    const tag = dialTag(identity, node, session, instance, { id, since, version: undefined, attempt });
    const lost = this.#subjects.own(this.#id, `${session}.${id}`);
    const standIn = new RemoteLink(tag, attach.replica, this.#bus, { link: reply, lost }, (link) =>
      this.#forget(link),
    );
    this.#standIns.set(reply, standIn);
    standIn.say('attached', { replica: this.#id, instance: agent.tag.instance });
    this.#relay.admit(standIn);
  }

  #forget(standIn: RemoteLink): void {
    const { session, id } = standIn.tag;
    const subject = this.#subjects.session(session, id);
    if (this.#standIns.get(subject) === standIn) this.#standIns.delete(subject);
  }

  /** A message for a dialer's link found no replica that has it. */
  #nobody({ kind, subject }: BusMessage): void {
    if (kind !== 'nobody') return;
    const [session = '', id = ''] = subject.split('.').slice(-2);
    const standIn = this.#standIns.get(this.#subjects.session(session, id));
    if (standIn === undefined) return;
    this.#forget(standIn);
    this.#relay.closed(standIn, 1006, 'its replica has gone');
  }

  // ── comings and goings ───────────────────────────────────────────────────────────────────────────

  #up(maxPayloadBytes: number): void {
    if (maxPayloadBytes < leastPayloadBytes) {
      const fields = { event: 'nats-unusable', maxPayloadBytes, leastPayloadBytes };
      this.#log.error(
        fields,
        'the NATS server takes no messages as large as are needed: raise its max_payload',
      );
      void this.#bus.close();
      return;
    }
    this.#relay.limitMessages(maxPayloadBytes - overheadBytes);
    if (this.#isFirst) {
      this.#isFirst = false;
      const subjects = this.#subjects;
      this.#bus.subscribe(subjects.up, (message) => this.#agentElsewhere(message));
      this.#bus.subscribe(subjects.presence, (message) => this.#heardOf(message));
      this.#bus.subscribe(subjects.nodes, (message) => this.#answer(message));
      // Two tokens: a session and a link. What is asked has one.
      this.#bus.subscribe(subjects.own(this.#id, '*.*'), (message) => this.#nobody(message));
    }
    for (const link of this.#relay.switchboard.agents()) {
      this.#serve(link);
      this.#announce(link);
    }
    this.#presence.restart();
  }

  #down(): void {
    for (const link of [...this.#carriages.keys()]) this.#strand(link);
  }

  #flushed(): void {
    for (const carriage of this.#carriages.values()) carriage.flushed();
  }

  #agentElsewhere({ data }: BusMessage): void {
    const up = parse(upSchema, data);
    if (up === undefined) return;
    const { node, instance, since, attempt } = up;
    const { switchboard } = this.#relay;
    if (this.#relay.superseded(node, instance, attempt)) {
      const own = switchboard.agent(node, instance);
      if (own !== undefined) this.#announce(own);
      return;
    }
    if (this.#finds.has(node)) this.#rivals.set(node, Math.max(since, this.#rivals.get(node) ?? 0));
    for (const link of [...switchboard.dialers(node)]) {
      if (link instanceof RemoteLink || (link.tag.instance !== undefined && link.tag.instance !== instance))
        continue;
      const carriage = this.#carriages.get(link);
      // It moved under a link that was with it, or came for one that waits. One that is looking will find it.
      if (carriage?.replica !== undefined) this.#strand(link);
      if (link.tag.state === 'waiting') this.seek(link);
    }
  }

  #tick(): void {
    if (!this.#bus.isUp) return;
    this.#sayPresence(false);
    // An announcement may have been lost, or a partition healed that nobody here heard of.
    for (const link of [...this.#relay.switchboard.links()])
      if (isDialLink(link) && link.tag.state === 'waiting') this.seek(link);
  }

  #answer({ data, reply }: BusMessage): void {
    const question = parse(questionSchema, data);
    if (question === undefined || reply === '') return;
    void answerCensus(this.#bus, reply, this.#id, eachInstance(this.#relay.switchboard, question));
  }

  #sayPresence(leaving: boolean): void {
    this.#bus.say(this.#subjects.presence, 'presence', { replica: this.#id, leaving });
  }

  #heardOf({ data }: BusMessage): void {
    const presence = parse(presenceSchema, data);
    if (presence === undefined) return;
    if (presence.leaving) this.#presence.left(presence.replica);
    // Whoever is new should know of this one without waiting.
    else if (this.#presence.heard(presence.replica)) this.#sayPresence(false);
  }

  #replicaLost(replica: string): void {
    this.#log.info({ event: 'replica-lost', replica }, 'a replica has gone');
    for (const standIn of [...this.#standIns.values()]) {
      if (standIn.replica !== replica) continue;
      this.#forget(standIn);
      this.#relay.closed(standIn, 1006, 'its replica has gone');
    }
    for (const [link, carriage] of [...this.#carriages])
      if (carriage.replica === replica) this.#lost(link, carriage);
  }

  #later(ms: number, what: () => void): void {
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      what();
    }, ms);
    this.#timers.add(timer);
  }
}
