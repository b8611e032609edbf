// One simulated world: a broker with the real relay, agents and dialers with the real session core, a hostile
// network between them and applications that check every byte. The seed decides everything.

import { agentTag, type BrokerLink, dialTag, type LinkTag } from '../../src/broker/link.ts';
import { MemorySwitchboard } from '../../src/broker/memory-switchboard.ts';
import { Relay } from '../../src/broker/relay.ts';
import { defaultRelayOptions } from '../../src/broker/relay-options.ts';
import type { PathLimits } from '../../src/protocol/session.ts';
import { BuffersUnderWay } from './buffers-under-way.ts';
import { Clock, Random } from './clock.ts';
import { type FaultCounts, SimulatedLink, type Weather } from './network.ts';
import { SimulatedAgent, SimulatedDialer } from './peers.ts';
import { Schedule } from './schedule.ts';
import { type Plan, Side } from './traffic.ts';

const silentLog = { info() {}, warn() {}, error() {}, debug() {} };
/** Faults stop here, so that what is still under way can end. */
const faultsUntilMs = 20_000;
const endMs = 400_000;

export interface Counts extends FaultCounts {
  streams: number;
  clean: number;
  resets: number;
  refused: number;
  stalls: number;
  bytes: number;
  brokerRestarts: number;
  agentCuts: number;
  dialerCuts: number;
  agentMoves: number;
  unreachable: number;
  resyncs: number;
  resentBytes: number;
  gaps: number;
  duplicates: number;
}

export function noCounts(): Counts {
  return {
    streams: 0,
    clean: 0,
    resets: 0,
    refused: 0,
    stalls: 0,
    bytes: 0,
    brokerRestarts: 0,
    agentCuts: 0,
    dialerCuts: 0,
    agentMoves: 0,
    unreachable: 0,
    resyncs: 0,
    resentBytes: 0,
    gaps: 0,
    duplicates: 0,
    lost: 0,
    repeated: 0,
    lostInCut: 0,
  };
}

/** The broker's end of a simulated link. */
class BrokerEnd<Tag extends LinkTag> implements BrokerLink<Tag> {
  readonly tag: Tag;
  private readonly link: SimulatedLink;

  constructor(tag: Tag, link: SimulatedLink) {
    this.tag = tag;
    this.link = link;
  }
  send(data: Uint8Array): void {
    this.link.send('peer', data);
  }
  close(code: number): void {
    this.link.closeByBroker(code);
  }
  bufferedBytes(): number {
    return 0;
  }
  pause(): void {}
  resume(): void {}
  saveTag(): void {}
}

/** Two sides of one stream and what they were to do. */
interface Conversation {
  readonly dialer: Side;
  readonly dialerPlan: Plan;
  readonly agentPlan: Plan;
  readonly refuse: boolean;
  agent: Side | undefined;
  dials: number;
}

/** What brokers advertise: one behind a small message limit, plenty, an edge where messages are dear, plenty. */
const plenty: PathLimits = { maxMessageBytes: 266_240, inFlightBytes: 16_777_216, messagesAreDear: false };
const paths: readonly PathLimits[] = [
  { maxMessageBytes: 8192, inFlightBytes: 262_144, messagesAreDear: false },
  plenty,
  { maxMessageBytes: 266_240, inFlightBytes: 65_536, messagesAreDear: true },
  plenty,
];

export class World {
  readonly clock = new Clock();
  readonly random: Random;
  readonly counts = noCounts();
  readonly underWay = new BuffersUnderWay();
  readonly violations: string[] = [];
  readonly weather: Weather;
  readonly path: PathLimits;
  private relay: Relay;
  private brokerUp = true;
  private readonly conversations: Conversation[] = [];
  private readonly agents: SimulatedAgent[] = [];
  private readonly dialers: SimulatedDialer[] = [];

  readonly schedule: Schedule;

  /** `kept`: the elements of the seed's schedule that happen; the rest do not. Default: all. */
  constructor(seed: number, kept?: ReadonlySet<string>) {
    this.schedule = new Schedule(kept);
    this.random = new Random(seed);
    this.path = paths[seed % paths.length] as PathLimits;
    const { random } = this;
    const rough = random.chance(0.4);
    this.weather = {
      delayMs: [0.05, 1, 10, 80][random.int(0, 3)] as number,
      jitterMs: random.next() * 5,
      loss: rough ? random.next() * 0.03 : 0,
      repeat: rough ? random.next() * 0.05 : 0,
    };
    this.relay = this.newRelay();
    this.agents.push(new SimulatedAgent(this, 'node', 'instance-1'));
    for (let n = random.int(1, 2); n > 0; n -= 1) {
      this.dialers.push(new SimulatedDialer(this, 'node', `principal-${n}`, BigInt(1000 + n)));
    }
    for (const peer of [...this.agents, ...this.dialers]) peer.connect();
    this.planStreams();
    this.planFaults();
  }

  private newRelay(): Relay {
    return new Relay(new MemorySwitchboard(), { ...defaultRelayOptions, log: silentLog });
  }

  violate(what: string): void {
    this.violations.push(`at ${this.clock.now.toFixed(2)} ms: ${what}`);
  }

  /** A new link of a peer, or undefined while the broker is down. */
  connect(peer: SimulatedAgent | SimulatedDialer): SimulatedLink | undefined {
    if (!this.brokerUp) return undefined;
    const link = new SimulatedLink(
      this.clock,
      this.random,
      this.weather,
      this.counts,
      this.schedule,
      this.underWay,
    );
    const facts = { id: 'link', since: this.clock.now, version: undefined, attempt: 0 };
    const expiresAt = Number.MAX_SAFE_INTEGER;
    const tag =
      peer instanceof SimulatedAgent
        ? agentTag(
            { kind: 'agent', principal: 'agent', node: peer.node, routes: [], expiresAt },
            peer.instance,
            facts,
          )
        : dialTag(
            { kind: 'dial', principal: peer.principal, nodes: ['*'], targets: undefined, expiresAt },
            peer.node,
            peer.sessionText,
            peer.instance,
            facts,
          );
    const end = new BrokerEnd(tag, link);
    const { relay } = this;
    // As an engine may, it tells the relay of the end of a link that it never opened.
    let opened = false;
    link.ends.broker = {
      message: (data) => opened && relay === this.relay && relay.receive(end, data),
      closed: (code) => relay === this.relay && relay.closed(end, code, 'cut'),
    };
    // The upgrade takes a round trip before either side can use the link.
    this.clock.after(2 * this.weather.delayMs, () => {
      if (relay === this.relay && this.brokerUp && link.open) {
        opened = true;
        relay.open(end);
      } else link.cut(1006, 0, this.weather.delayMs);
    });
    return link;
  }

  /** The agent was asked for a stream: `port` says which conversation it is. */
  dialled(index: number): { side: Side; refuse: boolean } {
    const conversation = this.conversations[index] as Conversation;
    conversation.dials += 1;
    if (conversation.dials > 1) this.violate(`conversation ${index} was dialled ${conversation.dials} times`);
    conversation.agent = new Side(
      this.clock,
      this.random,
      conversation.agentPlan,
      conversation.dialerPlan,
      (what) => this.violate(`conversation ${index}, agent: ${what}`),
    );
    return { side: conversation.agent, refuse: conversation.refuse };
  }

  private planStreams(): void {
    const { random } = this;
    for (let n = random.int(2, 10); n > 0; n -= 1) {
      const atMs = random.next() * 15_000;
      const happens = this.schedule.take('stream');
      this.clock.at(atMs, () => happens && this.openStream());
    }
  }

  private plan(key: number): Plan {
    const { random } = this;
    const stalls = random.chance(0.25);
    return {
      key,
      bytes: random.chance(0.2) ? 0 : Math.floor(random.next() ** 3 * 1_500_000),
      longestWrite: [10, 1000, 20_000, 65_536, 200_000][random.int(random.chance(0.1) ? 0 : 1, 4)] as number,
      paceMs: random.chance(0.5) ? 0 : random.next() * 20,
      stallAfter: random.next() * 200_000,
      stallMs: stalls ? random.next() * 20_000 : 0,
      resetAfter: random.chance(0.08) ? Math.floor(random.next() * 200_000) : undefined,
      replyAfterEnd: false,
    };
  }

  private openStream(): void {
    const { random } = this;
    const index = this.conversations.length;
    const dialer = this.dialers[random.int(0, this.dialers.length - 1)] as SimulatedDialer;
    let dialerPlan = this.plan(index * 2);
    let agentPlan = this.plan(index * 2 + 1);
    // Tiny writes of much would only cost the simulation time.
    dialerPlan = { ...dialerPlan, bytes: Math.min(dialerPlan.bytes, dialerPlan.longestWrite * 400) };
    agentPlan = { ...agentPlan, bytes: Math.min(agentPlan.bytes, agentPlan.longestWrite * 400) };
    if (random.chance(0.3)) agentPlan = { ...agentPlan, replyAfterEnd: true };
    const side = new Side(this.clock, random, dialerPlan, agentPlan, (what) =>
      this.violate(`conversation ${index}, dialer: ${what}`),
    );
    const refuse = random.chance(0.08);
    this.conversations.push({ dialer: side, dialerPlan, agentPlan, refuse, agent: undefined, dials: 0 });
    this.counts.streams += 1;
    if (dialerPlan.stallMs > 0) this.counts.stalls += 1;
    if (agentPlan.stallMs > 0) this.counts.stalls += 1;
    side.start(dialer.session.open({ host: 'target', port: index + 1 }, side));
  }

  private planFaults(): void {
    const { random } = this;
    for (let n = random.int(0, 12); n > 0; n -= 1) {
      const kind = random.int(0, 3);
      const happens = this.schedule.take('fault');
      this.clock.at(random.next() * faultsUntilMs, () => {
        if (!happens) return;
        const agent = this.agents[random.int(0, this.agents.length - 1)] as SimulatedAgent;
        const dialer = this.dialers[random.int(0, this.dialers.length - 1)] as SimulatedDialer;
        if (kind === 0) this.restartBroker();
        else if (kind === 1 && agent.cut()) this.counts.agentCuts += 1;
        else if (kind === 2 && dialer.cut()) this.counts.dialerCuts += 1;
        else if (kind === 3 && agent.move()) this.counts.agentMoves += 1;
      });
    }
  }

  /** Killed: every link ends with what was on it, and the next broker remembers nothing. */
  private restartBroker(): void {
    if (!this.brokerUp) return;
    this.counts.brokerRestarts += 1;
    this.brokerUp = false;
    this.relay = this.newRelay();
    for (const peer of [...this.agents, ...this.dialers]) peer.cut();
    this.clock.after(this.random.next() * 2000, () => {
      this.brokerUp = true;
    });
  }

  /** Runs to the end and answers what went wrong, empty where nothing did. */
  run(): string[] {
    while (this.violations.length === 0 && this.clock.step(endMs)) {
      if (this.clock.now > faultsUntilMs && this.settled()) break;
    }
    if (this.violations.length === 0) this.checkEnd();
    for (const { session } of [...this.dialers, ...this.agents.flatMap((agent) => agent.peers())]) {
      this.counts.resyncs += session.counters.resyncs;
      this.counts.resentBytes += session.counters.resentBytes;
      this.counts.gaps += session.counters.gaps;
      this.counts.duplicates += session.counters.duplicates;
    }
    return this.violations;
  }

  private settled(): boolean {
    for (const { session } of this.dialers) if (session.streamCount > 0) return false;
    for (const agent of this.agents) if (agent.hasStreams()) return false;
    return true;
  }

  private checkEnd(): void {
    if (!this.settled()) this.violate('streams were left over');
    this.conversations.forEach((conversation, index) => {
      const { dialer, agent, dialerPlan, agentPlan, refuse } = conversation;
      this.counts.bytes += dialer.received + (agent?.received ?? 0);
      const outcomes = `${dialer.outcome}, ${agent?.outcome ?? 'never dialled'}`;
      if (refuse) {
        this.counts.refused += 1;
        if (dialer.outcome === 'reset-here') return;
        if (dialer.error?.code !== 'ECONNREFUSED')
          this.violate(`conversation ${index}: refused, but ${outcomes}`);
      } else if (dialer.outcome === 'reset-here' || agent?.outcome === 'reset-here') {
        this.counts.resets += 1;
        for (const side of [dialer, agent]) {
          if (side?.outcome === 'failed' && side.error?.code !== 'ERR_ABORTED') {
            this.violate(`conversation ${index}: reset, but ${side.error?.code}`);
          }
        }
      } else if (dialer.outcome !== 'clean' || agent?.outcome !== 'clean') {
        this.violate(`conversation ${index}: ${outcomes}: ${dialer.error?.message ?? agent?.error?.message}`);
      } else {
        this.counts.clean += 1;
        if (dialer.received !== agentPlan.bytes || agent.received !== dialerPlan.bytes) {
          this.violate(`conversation ${index}: bytes are missing`);
        }
      }
    });
    for (const { session } of [...this.dialers, ...this.agents.flatMap((agent) => agent.peers())]) {
      const { inFlightBytes, bufferedBytes, grownBytes } = session;
      if (inFlightBytes !== 0 || bufferedBytes !== 0 || grownBytes !== 0) {
        this.violate(`books not balanced: ${inFlightBytes}, ${bufferedBytes}, ${grownBytes}`);
      }
    }
  }
}
