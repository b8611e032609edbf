// A relay with links that keep what they were sent, for tests of the relay's rules. No sockets, no time.

import { silentLog } from '../../src/broker/broker-log.ts';
import {
  type AgentTag,
  agentTag,
  type BrokerLink,
  type DialTag,
  dialTag,
  type LinkTag,
} from '../../src/broker/link.ts';
import { MemorySwitchboard } from '../../src/broker/memory-switchboard.ts';
import { Relay } from '../../src/broker/relay.ts';
import { defaultRelayOptions, type RelayOptions } from '../../src/broker/relay-options.ts';
import { controlTypeName, decodeControl, encodeControl } from '../../src/protocol/control.ts';
import { envelopeBytes, formatSession, readSession, writeSession } from '../../src/protocol/envelope.ts';
import { frameTypes } from '../../src/protocol/frame.ts';

const farAway = 8_640_000_000_000_000;

export class FakeLink<Tag extends LinkTag = LinkTag> implements BrokerLink<Tag> {
  readonly tag: Tag;
  readonly relay: Relay;
  /** Every message, the very buffers. */
  readonly messages: Uint8Array[] = [];
  closeCode: number | undefined;
  closeReason = '';
  paused = false;
  /** Set by tests: what the link says is queued. */
  queuedBytes = 0;
  /** True: every message sent stays queued. */
  isStuck = false;
  saved: LinkTag | undefined;

  constructor(relay: Relay, tag: Tag) {
    this.relay = relay;
    this.tag = tag;
  }

  send(data: Uint8Array): void {
    if (this.closeCode !== undefined) throw new Error('a message after the close');
    this.messages.push(data);
    if (this.isStuck) this.queuedBytes += data.length;
  }

  close(code: number, reason: string): void {
    if (this.closeCode !== undefined) throw new Error('closed twice');
    this.closeCode = code;
    this.closeReason = reason;
  }

  bufferedBytes(): number {
    return this.queuedBytes;
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
  }

  saveTag(): void {
    this.saved = structuredClone(this.tag);
  }

  /** The peer sends a message for its session, or for any. */
  sends(session: bigint, text = 'bytes'): Uint8Array {
    const data = message(session, text);
    this.relay.receive(this, data);
    return data;
  }

  says(type: number, session = 0n, body?: object): void {
    this.relay.receive(this, encodeControl(type, session, body));
  }

  /** The peer vanishes. */
  vanishes(): void {
    this.relay.closed(this, 1006, '');
  }

  /** What was sent since the last call: control frames as `NAME session payload`, others as `text`. */
  heard(): string[] {
    return this.messages.splice(0).flatMap((data) => {
      if (readSession(data) !== 0n) return [Buffer.from(data.subarray(envelopeBytes)).toString()];
      return decodeControl(data).map(({ type, session, payload }) =>
        [controlTypeName(type), session === 0n ? '' : formatSession(session), Buffer.from(payload).toString()]
          .filter((part) => part !== '')
          .join(' '),
      );
    });
  }
}

export function message(session: bigint, text = 'bytes'): Uint8Array {
  const data = new Uint8Array(envelopeBytes + text.length);
  writeSession(data, session);
  data.set(Buffer.from(text), envelopeBytes);
  return data;
}

export interface AgentChoice {
  readonly node?: string;
  readonly instance?: string;
  readonly since?: number;
  readonly expiresAt?: number;
  readonly attempt?: number;
  readonly routes?: readonly string[];
}

export interface DialChoice {
  readonly node?: string;
  readonly instance?: string;
  readonly principal?: string;
  readonly targets?: string[];
  readonly expiresAt?: number;
  readonly attempt?: number;
}

let lastId = 0;

export class RelayUnderTest extends Relay {
  constructor(options: Partial<RelayOptions> = {}) {
    super(new MemorySwitchboard(), { ...defaultRelayOptions, log: silentLog, ...options });
  }

  /** An agent's link, its HELLO already taken. */
  agent(choice: AgentChoice = {}): FakeLink<AgentTag> {
    const { node = 'edge-1', instance = 'first', since = 0, expiresAt = farAway, attempt, routes } = choice;
    const identity = { kind: 'agent', principal: `agent:${node}`, node, routes: [], expiresAt } as const;
    return this.#opened(
      new FakeLink(this, agentTag(identity, instance, this.#facts(since, attempt), routes)),
    );
  }

  /** A dialer's link, its HELLO already taken. */
  dialer(session: bigint, choice: DialChoice = {}): FakeLink<DialTag> {
    const { node = 'edge-1', principal = 'alice', targets, expiresAt = farAway } = choice;
    const identity = { kind: 'dial', principal, nodes: ['*'], targets, expiresAt } as const;
    const tag = dialTag(
      identity,
      node,
      formatSession(session),
      choice.instance,
      this.#facts(0, choice.attempt),
    );
    return this.#opened(new FakeLink(this, tag));
  }

  /** A dialer whose session `agent` has accepted; both have heard all about it. */
  acceptedDialer(session: bigint, agent: FakeLink<AgentTag>, choice: DialChoice = {}): FakeLink<DialTag> {
    const dialer = this.dialer(session, choice);
    agent.says(frameTypes.ATTACH, session);
    agent.messages.length = 0;
    dialer.messages.length = 0;
    return dialer;
  }

  #facts(since: number, attempt = 0) {
    lastId++;
    return { id: `link-${lastId}`, since, version: undefined, attempt };
  }

  #opened<Link extends FakeLink>(link: Link): Link {
    this.open(link);
    const hello = link.messages.shift();
    if (hello === undefined || decodeControl(hello)[0]?.type !== frameTypes.HELLO)
      throw new Error('the first message is not HELLO');
    return link;
  }
}
