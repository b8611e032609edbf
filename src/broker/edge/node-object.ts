// The Durable Object of one node: its links meet here, and the relay pairs them. Everything it knows is in the
// sockets' attachments; it may be evicted between any two messages and finds itself again when it wakes.

import type {
  DurableObjectState,
  WebSocket,
  WebSocketPair as WebSocketPairOf,
  Request as WorkersRequest,
  Response as WorkersResponse,
} from '@cloudflare/workers-types';
import { listNodes, type NodeSummary } from '../directory.ts';
import { subprotocol } from '../gate.ts';
import { tokenVerifier } from '../identity-verifier.ts';
import { tagOf } from '../link.ts';
import { MemorySwitchboard } from '../memory-switchboard.ts';
import { errorResponse, Refusal } from '../refusal.ts';
import { Relay } from '../relay.ts';
import { defaultRelayOptions } from '../relay-options.ts';
import { consoleLog } from './console-log.ts';
import { add, type Growth, growthSince, subtract } from './counts.ts';
import { EdgeLink, fitsAttachment } from './edge-link.ts';
import { type EdgeSettings, type Environment, edgeSettings } from './environment.ts';
import { addressOf, admissionOf, directoryStub, paths, reportRequest } from './internal.ts';

declare const WebSocketPair: typeof WebSocketPairOf;
declare const Response: typeof WorkersResponse;

/** Small, because each stands in an agent link's attachment. */
const maxUnanswered = 64;

/** Where the node's name is kept, for an alarm that wakes an object without links. */
const nameKey = 'node';

export class NodeObject {
  readonly #state: DurableObjectState;
  readonly #environment: Environment;
  readonly #settings: EdgeSettings;
  readonly #relay: Relay;
  readonly #links = new Map<WebSocket, EdgeLink>();
  /** What the directory was told last in this object's life. */
  #reported: string | undefined;
  #reporting = false;
  #lastNode: string | undefined;
  /** What the directory has of this object's counters. */
  readonly #told: Growth = {};
  #countsSoon = false;

  constructor(state: DurableObjectState, environment: Environment) {
    this.#state = state;
    this.#environment = environment;
    this.#settings = edgeSettings(environment);
    const { maxMessageBytes, inFlightBytes, totalInFlightBytes, maxSessionsPerNode } = this.#settings;
    const { issuer, audience } = this.#settings;
    this.#relay = new Relay(new MemorySwitchboard(), {
      ...defaultRelayOptions,
      version: 'edge',
      maxMessageBytes,
      inFlightBytes,
      totalInFlightBytes,
      maxSessionsPerNode,
      maxUnanswered,
      messagesAreDear: true,
      verifyToken: tokenVerifier({ secret: environment.AUTH_SECRET, issuer, audience }),
      log: consoleLog,
    });
    for (const webSocket of state.getWebSockets()) {
      const link = EdgeLink.restore(webSocket);
      if (link !== undefined) this.#links.set(webSocket, link);
    }
    this.#relay.restore(this.#links.values());
  }

  async fetch(request: WorkersRequest): Promise<WorkersResponse | globalThis.Response> {
    const { pathname } = new URL(request.url);
    if (pathname === paths.summary) return Response.json(this.#summary() ?? null);
    const admission = admissionOf(request.headers);
    if (pathname !== paths.link || admission === undefined)
      return errorResponse(404, 'ERR_PROTOCOL', 'an object is reached through the Worker only');
    const tag = tagOf(admission, addressOf(request.headers));
    if (!fitsAttachment(tag))
      return new Refusal(
        'bad-request',
        'the token lists more targets than this broker can keep',
      ).toResponse();
    const pair = new WebSocketPair();
    const [client, server] = [pair[0], pair[1]];
    this.#state.acceptWebSocket(server, [tag.kind]);
    const link = new EdgeLink(tag, server);
    this.#links.set(server, link);
    this.#relay.open(link);
    if (tag.state === 'closed') this.#links.delete(server);
    else {
      link.saveTag();
      await this.#setAlarm(tag.node, tag.expiresAt);
    }
    this.#changed();
    return new Response(null, {
      status: 101,
      webSocket: client,
      headers: { 'sec-websocket-protocol': subprotocol },
    });
  }

  webSocketMessage(webSocket: WebSocket, message: ArrayBuffer | string): void {
    const link = this.#links.get(webSocket);
    // The relay has done with it; the peer has not heard yet.
    if (link === undefined) return;
    if (typeof message === 'string') this.#relay.receiveText(link);
    else this.#relay.receive(link, new Uint8Array(message));
    this.#tellCountsSoon(link.tag.node);
    if (link.tag.state === 'closed') this.#dropped(webSocket);
  }

  webSocketClose(webSocket: WebSocket, code: number, reason: string): void {
    this.#ended(webSocket, code, reason);
    try {
      // RFC 6455 §7.4.1: 1005, 1006 and 1015 are never sent.
      webSocket.close([1005, 1006, 1015].includes(code) ? 1000 : code, reason);
    } catch {}
  }

  webSocketError(webSocket: WebSocket, error: unknown): void {
    this.#ended(webSocket, 1006, String(error));
  }

  /** Expired tokens are looked for, and the directory hears that the node still stands, or that it does not. */
  async alarm(): Promise<void> {
    this.#relay.expire(Date.now());
    for (const [webSocket, link] of this.#links)
      if (link.tag.state === 'closed') this.#links.delete(webSocket);
    const node = (await this.#state.storage.get<string>(nameKey)) ?? '';
    if (node === '') return;
    await this.#report(node);
    const next = this.#nextAlarm();
    if (next === undefined) await this.#state.storage.deleteAll();
    else await this.#state.storage.setAlarm(next);
  }

  #ended(webSocket: WebSocket, code: number, reason: string): void {
    const link = this.#links.get(webSocket);
    if (link === undefined) return;
    this.#relay.closed(link, code, reason);
    this.#dropped(webSocket);
  }

  #dropped(webSocket: WebSocket): void {
    this.#links.delete(webSocket);
    this.#changed();
  }

  #summary(): NodeSummary | undefined {
    return listNodes(this.#relay.switchboard)[0];
  }

  /** Tells the directory what has changed, one report at a time, the newest last. */
  #changed(): void {
    if (this.#reporting) return;
    const summary = this.#summary();
    const [first] = this.#links.values();
    const text = JSON.stringify(summary ?? null);
    const node = summary?.node ?? first?.tag.node ?? this.#lastNode;
    if (node === undefined || text === this.#reported) return;
    this.#lastNode = node;
    this.#reporting = true;
    this.#state.waitUntil(
      this.#report(node).finally(() => {
        this.#reporting = false;
        if (JSON.stringify(this.#summary() ?? null) !== this.#reported) this.#changed();
      }),
    );
  }

  /** While something goes over the object, it tells what it counts: an eviction would take that with it. */
  #tellCountsSoon(node: string): void {
    const { countMs } = this.#settings;
    if (countMs === 0 || this.#countsSoon) return;
    this.#countsSoon = true;
    setTimeout(() => {
      this.#countsSoon = false;
      this.#state.waitUntil(this.#report(node));
    }, countMs);
  }

  async #report(node: string): Promise<void> {
    const summary = this.#summary() ?? null;
    const growth = growthSince(this.#relay.counters, this.#told);
    add(this.#told, growth);
    try {
      const stub = directoryStub(this.#environment, this.#settings, node);
      const [url, init] = reportRequest({ node, summary, growth });
      const response = await stub.fetch(url, init);
      if (!response.ok) throw new Error(`HTTP ${response.status}`);
      this.#reported = JSON.stringify(summary);
    } catch (error) {
      // It hears of it at the next change or refresh.
      subtract(this.#told, growth);
      this.#reported = JSON.stringify(summary);
      consoleLog.warn(
        { event: 'directory-behind', node, error: String(error) },
        'the directory was not told',
      );
    }
  }

  #nextAlarm(): number | undefined {
    let next: number | undefined;
    for (const { tag } of this.#links.values()) {
      const at = Math.min(tag.expiresAt, Date.now() + this.#settings.directoryRefreshMs);
      next = next === undefined ? at : Math.min(next, at);
    }
    return next;
  }

  async #setAlarm(node: string, expiresAt: number): Promise<void> {
    const { storage } = this.#state;
    const at = Math.min(expiresAt, Date.now() + this.#settings.directoryRefreshMs);
    const current = await storage.getAlarm();
    if (current !== null && current <= at) return;
    await storage.put(nameKey, node);
    await storage.setAlarm(at);
  }
}
