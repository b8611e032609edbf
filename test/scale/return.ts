// All agents lose their broker at once and come back to it: the real agents with the real keeper, in virtual time. The
// broker takes upgrades one after the other, each as long as one was measured to take; an agent that has waited for
// its handshake as long as a link does gives up and comes again, and what it had asked for is done in vain.

import { type Agent, startAgent } from '../../src/agent/index.ts';
import { agentTag } from '../../src/broker/link.ts';
import type { BrokerAccess } from '../../src/link/broker-access.ts';
import type { BrokerLink, LinkHandler, LinkMaker } from '../../src/link/broker-link.ts';
import { decodeControl, encodeControl, helloSchema, parsePayload } from '../../src/protocol/control.ts';
import { controlSession, readSession } from '../../src/protocol/envelope.ts';
import { closeCodes, FairleadError } from '../../src/protocol/errors.ts';
import { Fifo } from '../../src/protocol/fifo.ts';
import { frameTypes } from '../../src/protocol/frame.ts';
import { type BrokerEnd, type Peer, SocketlessBroker, silentLog } from './broker.ts';
import { VirtualTime } from './virtual-time.ts';

/** What one second after the loss brought. */
export interface Second {
  attempts: number;
  /** Found nobody listening. */
  refused: number;
  registered: number;
  /** Gave up waiting for their handshake. */
  gaveUp: number;
}

export interface Return {
  readonly nodes: number;
  readonly awayMs: number;
  /** From the broker's start until every agent was back; undefined: not within the limit. */
  readonly backMs: number | undefined;
  /** Attempts for each agent, and those the broker served in vain. */
  readonly attempts: number;
  readonly inVain: number;
  readonly curve: readonly Second[];
}

const handshakeTimeoutMs = 10_000;
const pathMs = 10;
const limitMs = 600_000;

class Wave {
  readonly time = new VirtualTime();
  readonly #serviceMs: number;
  broker: SocketlessBroker | undefined;
  registered = 0;
  attempts = 0;
  inVain = 0;
  lostAtMs = Number.POSITIVE_INFINITY;
  readonly curve: Second[] = [];
  readonly #queue = new Fifo<AgentEnd>();
  #serving = false;

  constructor(serviceMs: number) {
    this.#serviceMs = serviceMs;
  }

  note(what: keyof Second): void {
    const second = Math.floor((this.time.clock.now - this.lostAtMs) / 1000);
    if (!(second >= 0)) return;
    while (this.curve.length <= second)
      this.curve.push({ attempts: 0, refused: 0, registered: 0, gaveUp: 0 });
    const counts = this.curve[second];
    if (counts !== undefined) counts[what] += 1;
  }

  arrive(end: AgentEnd): void {
    if (this.broker === undefined) {
      this.note('refused');
      this.time.clock.after(pathMs, () => end.ended('ECONNREFUSED'));
      return;
    }
    this.#queue.push(end);
    this.#serve();
  }

  #serve(): void {
    const { broker } = this;
    if (this.#serving || broker === undefined) return;
    const end = this.#queue.shift();
    if (end === undefined) return;
    this.#serving = true;
    this.time.clock.after(this.#serviceMs, () => {
      this.#serving = false;
      if (end.isOver) this.inVain += 1;
      else if (this.broker === broker) end.join(broker);
      this.#serve();
    });
  }

  kill(): void {
    this.broker?.close();
    this.broker = undefined;
    for (let end = this.#queue.shift(); end !== undefined; end = this.#queue.shift()) end.ended('ECONNRESET');
    this.registered = 0;
    this.lostAtMs = this.time.clock.now;
  }
}

/** The agent's end of a link, and what the broker's end talks to. */
class AgentEnd implements BrokerLink, Peer {
  readonly bufferedBytes = 0;
  readonly messagesAreDear = false;
  readonly credentials = undefined;
  readonly #query: Record<string, string>;
  isOver = false;
  #isUp = false;
  #joined: { readonly broker: SocketlessBroker; readonly end: BrokerEnd } | undefined;
  readonly #wave: Wave;
  readonly #handler: LinkHandler;

  constructor(wave: Wave, query: Record<string, string>, handler: LinkHandler) {
    this.#wave = wave;
    this.#query = query;
    this.#handler = handler;
    wave.attempts += 1;
    wave.note('attempts');
    const { clock } = wave.time;
    clock.after(pathMs, () => wave.arrive(this));
    clock.after(handshakeTimeoutMs, () => {
      if (this.#isUp || this.isOver) return;
      wave.note('gaveUp');
      this.ended('ETIMEDOUT');
    });
  }

  /** The upgrade is granted. What the gate takes for it is part of `serviceMs`. */
  join(broker: SocketlessBroker): void {
    const { node = '', instance = '', attempt } = this.#query;
    const expiresAt = Number.MAX_SAFE_INTEGER;
    const identity = { kind: 'agent', principal: `agent:${node}`, node, routes: [], expiresAt } as const;
    const facts = { id: instance, since: Date.now(), version: undefined, attempt: Number(attempt) };
    this.#joined = { broker, end: broker.enter(agentTag(identity, instance, facts), this) };
  }

  message(_: BrokerEnd, data: Uint8Array): void {
    this.#wave.time.clock.after(pathMs, () => this.#receive(data));
  }

  #receive(data: Uint8Array): void {
    if (this.isOver) return;
    if (readSession(data) !== controlSession) {
      this.#handler.message(data);
      return;
    }
    for (const message of decodeControl(data)) {
      if (message.type !== frameTypes.HELLO) {
        this.#handler.control(message);
        continue;
      }
      this.#isUp = true;
      this.#wave.registered += 1;
      this.#wave.note('registered');
      this.#handler.hello(parsePayload(helloSchema, message.payload));
    }
  }

  /** A pong is all that an agent has to say. */
  ping(end: BrokerEnd): void {
    end.bytesRead += 6;
  }

  closed(_: BrokerEnd, code: number): void {
    this.ended(`close ${code}`);
  }

  send(message: Uint8Array): void {
    const { clock } = this.#wave.time;
    const joined = this.#joined;
    if (joined !== undefined && !this.isOver)
      clock.after(pathMs, () => joined.broker.relay.receive(joined.end, message));
  }

  sendControl(type: number, session: bigint = controlSession, body?: object): void {
    this.send(encodeControl(type, session, body));
  }

  close(): void {
    this.ended('closed');
  }

  ended(why: string): void {
    if (this.isOver) return;
    this.isOver = true;
    if (this.#joined !== undefined) this.#joined.broker.left(this.#joined.end);
    this.#handler.closed(new FairleadError('ERR_BROKER_UNREACHABLE', why));
  }
}

/** `serviceMs`: what the broker takes for one upgrade. */
export async function simulateReturn(nodes: number, awayMs: number, serviceMs: number): Promise<Return> {
  const wave = new Wave(serviceMs);
  const { time } = wave;
  const ends = new Set<AgentEnd>();
  const agents: Promise<Agent>[] = [];
  try {
    wave.broker = new SocketlessBroker();
    for (let n = 0; n < nodes; n += 1) {
      const access: BrokerAccess = { url: 'ws://broker', token: 'of no use here' };
      let latest: AgentEnd | undefined;
      const links: LinkMaker = {
        access,
        open(_, query, handler) {
          if (latest !== undefined) ends.delete(latest);
          latest = new AgentEnd(wave, query, handler);
          ends.add(latest);
          return latest;
        },
      };
      // At the broker's own pace, so that the first time is no wave.
      time.clock.at(n * serviceMs, () =>
        agents.push(startAgent({ ...access, node: `node-${n}`, allow: [], log: silentLog }, links)),
      );
    }
    await time.run(Number.POSITIVE_INFINITY, () => wave.registered === nodes);
    wave.attempts = 0;
    wave.kill();
    for (const end of ends)
      time.clock.after(Math.random() * 2 * pathMs, () => end.ended(`close ${closeCodes.shutdown}`));
    await time.run(wave.lostAtMs + awayMs);
    const upAtMs = time.clock.now;
    wave.broker = new SocketlessBroker();
    await time.run(upAtMs + limitMs, () => wave.registered === nodes);
    const backMs = wave.registered === nodes ? time.clock.now - upAtMs : undefined;
    const { attempts, inVain, curve } = wave;
    return { nodes, awayMs, backMs, attempts: attempts / nodes, inVain, curve };
  } finally {
    wave.broker?.close();
    time.end();
  }
}
