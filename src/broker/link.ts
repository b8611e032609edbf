// A link as the relay sees it: bytes out, back-pressure, and a tag that holds all that is known about it.
// The tag survives a structured clone, so that an engine that hibernates can keep it with the socket.

import { nanoid } from 'nanoid';
import { parseSession } from '../protocol/envelope.ts';
import { FairleadError } from '../protocol/errors.ts';
import type { AgentReport } from '../protocol/status.ts';
import type { Admission } from './gate.ts';
import type { AgentIdentity, DialIdentity } from './identity.ts';

export interface BrokerLink<Tag extends LinkTag = LinkTag> {
  readonly tag: Tag;
  /** Never throws and never changes `data`. Ignored once the link is closing. */
  send(data: Uint8Array): void;
  /** Asks the peer to close; the engine sees to it that the link ends even where the peer stays silent. */
  close(code: number, reason: string): void;
  /** Bytes sent and not yet handed to the network; 0 where the engine cannot know. */
  bufferedBytes(): number;
  /** Stops taking messages from the peer. */
  pause(): void;
  resume(): void;
  /** The relay changed the tag: where it must outlive this process's memory, store it now. */
  saveTag(): void;
  /** Absent where the engine sees nothing of the kind. */
  readonly observed?: Observed;
}

/** What an engine sees of a link by the way, for people: nothing is decided by it. */
export interface Observed {
  /** The peer's IP address, or what a trusted proxy says that it is. */
  readonly address?: string | undefined;
  /** By the last WebSocket ping that was answered. */
  readonly rttMs?: number | undefined;
  /** On the wire, since the link was opened. */
  readonly receivedBytes?: number | undefined;
  readonly sentBytes?: number | undefined;
}

export type AgentLink = BrokerLink<AgentTag>;
export type DialLink = BrokerLink<DialTag>;
export type LinkTag = AgentTag | DialTag;

/** `draining` agents keep their sessions and get no new ones. */
type AgentState = 'serving' | 'draining' | 'closed';

/**
 * `waiting`: the agent is not there. `carried`: another replica has the agent, and pairs the two. `offered`: the
 * agent was told and has not answered, so nothing that it sends is passed on yet. `accepted`: the agent has said
 * that this principal owns the session.
 */
export type DialState = 'waiting' | 'carried' | 'offered' | 'accepted' | 'closed';

interface CommonTag {
  /** Short and unique, for logs. */
  readonly id: string;
  readonly principal: string;
  /** Milliseconds since the epoch. */
  readonly since: number;
  /** Milliseconds since the epoch at which the token or certificate ends: later, where a newer token was shown. */
  expiresAt: number;
  /** By which the token or certificate can be revoked: see `Identity`. */
  tokenId?: string | undefined;
  serial?: string | undefined;
  /** Where it comes from, for people, where an engine keeps that with the tag. */
  readonly address?: string | undefined;
  readonly version: string | undefined;
  /** The peer's own count of its links, which tells the newer of two wherever they end; 0 where it does not count. */
  readonly attempt: number;
}

export interface AgentTag extends CommonTag {
  readonly kind: 'agent';
  readonly node: string;
  readonly instance: string;
  /** What the agent serves besides its node's name. */
  readonly routes: readonly string[];
  /** What the node's owner says of it: for people, and for nothing else. */
  readonly labels: Readonly<Record<string, string>>;
  /** What the agent said last of how it is. */
  told?: AgentReport | undefined;
  state: AgentState;
  /** True while dialers that write to this link are being paused. */
  congested: boolean;
  /**
   * ATTACHes whose dial link left before the agent answered, by session. Answers come in order, so this many
   * belong to links that are gone: taking one for a later link's would let a stranger pass as the owner.
   */
  readonly unanswered: Map<string, number>;
}

export interface DialTag extends CommonTag {
  readonly kind: 'dial';
  /** What the dial is known by that opened it. */
  readonly request: string | undefined;
  node: string;
  readonly session: string;
  /** The session id in two signed halves, which compare without allocating a BigInt. */
  readonly sessionHigh: number;
  readonly sessionLow: number;
  readonly targets: readonly string[] | undefined;
  /** The agent's instance that this session lives at; undefined until one is known. */
  instance: string | undefined;
  state: DialState;
  paused: boolean;
}

export interface LinkFacts {
  readonly address?: string | undefined;
  readonly id: string;
  readonly since: number;
  readonly version: string | undefined;
  readonly attempt: number;
  /** What the dial is known by that opened it. */
  readonly request?: string | undefined;
}

/** The tag of a link that the gate has just let in. */
export function tagOf(admission: Admission, address?: string): LinkTag {
  const { version, attempt } = admission;
  const request = 'request' in admission ? admission.request : undefined;
  const facts = { id: nanoid(), since: Date.now(), version, attempt, request, address };
  return 'node' in admission
    ? dialTag(admission.identity, admission.node, admission.session, admission.instance, facts)
    : agentTag(admission.identity, admission.instance, facts, admission.routes, admission.labels);
}

export function agentTag(
  identity: AgentIdentity,
  instance: string,
  facts: LinkFacts,
  routes: readonly string[] = [],
  labels: Readonly<Record<string, string>> = {},
): AgentTag {
  return {
    kind: 'agent',
    id: facts.id,
    principal: identity.principal,
    since: facts.since,
    expiresAt: identity.expiresAt,
    tokenId: identity.tokenId,
    serial: identity.serial,
    address: facts.address,
    version: facts.version,
    attempt: facts.attempt,
    node: identity.node,
    instance,
    routes,
    labels,
    state: 'serving',
    congested: false,
    unanswered: new Map(),
  };
}

/** @throws FairleadError ERR_PROTOCOL where `session` is not a session id as URLs have it. */
export function dialTag(
  identity: DialIdentity,
  node: string,
  session: string,
  instance: string | undefined,
  facts: LinkFacts,
): DialTag {
  const id = parseSession(session);
  if (id === undefined) throw new FairleadError('ERR_PROTOCOL', 'not a session id');
  return {
    kind: 'dial',
    id: facts.id,
    principal: identity.principal,
    since: facts.since,
    expiresAt: identity.expiresAt,
    tokenId: identity.tokenId,
    serial: identity.serial,
    address: facts.address,
    version: facts.version,
    attempt: facts.attempt,
    node,
    session,
    sessionHigh: highOf(id),
    sessionLow: lowOf(id),
    targets: identity.targets,
    instance,
    request: facts.request,
    state: 'waiting',
    paused: false,
  };
}

export function isAgentLink(link: BrokerLink): link is AgentLink {
  return link.tag.kind === 'agent';
}

export function isDialLink(link: BrokerLink): link is DialLink {
  return link.tag.kind === 'dial';
}

/** The upper half of a session id as a signed number, as `readU32(message, 0) | 0` gives it. */
export function highOf(session: bigint): number {
  return Number(BigInt.asIntN(32, session >> 32n));
}

export function lowOf(session: bigint): number {
  return Number(BigInt.asIntN(32, session));
}

export function sessionOf(high: number, low: number): bigint {
  return (BigInt.asUintN(32, BigInt(high)) << 32n) | BigInt.asUintN(32, BigInt(low));
}
