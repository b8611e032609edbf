// The broker without sockets: the gate, relay, keep-alive and routes that src/broker/node.ts puts together, with links
// whose other ends are in this process. What sockets cost is measured with real ones: sockets.ts.

import { listNodes, type NodeList, type NodeQuestion } from '../../src/broker/directory.ts';
import { createGate, type Gate, subprotocol } from '../../src/broker/gate.ts';
import { tokenVerifier } from '../../src/broker/identity-verifier.ts';
import { defaultKeepAlive, KeepAlive, type Watched } from '../../src/broker/keep-alive.ts';
import { type BrokerLink, type LinkTag, tagOf } from '../../src/broker/link.ts';
import { MemorySwitchboard } from '../../src/broker/memory-switchboard.ts';
import { Relay } from '../../src/broker/relay.ts';
import { defaultRelayOptions } from '../../src/broker/relay-options.ts';
import { createRoutes } from '../../src/broker/routes.ts';
import { relayStatus } from '../../src/broker/status.ts';
import { closeCodes } from '../../src/protocol/errors.ts';

export const secret = 'a secret of the simulation, long enough for HS256';
export const silentLog = { debug() {}, info() {}, warn() {}, error() {} };

/** The other end of a link; one may serve many. */
export interface Peer {
  message(end: BrokerEnd, data: Uint8Array): void;
  ping(end: BrokerEnd): void;
  closed(end: BrokerEnd, code: number): void;
}

/** The broker's end of a link. */
export class BrokerEnd implements BrokerLink, Watched {
  readonly tag: LinkTag;
  bytesRead = 0;
  readonly isPaused = false;
  readonly #peer: Peer;

  constructor(tag: LinkTag, peer: Peer) {
    this.tag = tag;
    this.#peer = peer;
  }
  send(data: Uint8Array): void {
    this.#peer.message(this, data);
  }
  close(code: number): void {
    this.#peer.closed(this, code);
  }
  ping(): void {
    this.#peer.ping(this);
  }
  bufferedBytes(): number {
    return 0;
  }
  pause(): void {}
  resume(): void {}
  saveTag(): void {}
}

export class SocketlessBroker {
  readonly relay: Relay;
  readonly keepAlive: KeepAlive<BrokerEnd>;
  readonly #gate: Gate;
  readonly #routes: ReturnType<typeof createRoutes>;

  /** `list`: all nodes, where there are other replicas. */
  constructor(list?: (question: NodeQuestion) => Promise<NodeList>) {
    const verifyToken = tokenVerifier({ secret });
    this.relay = new Relay(new MemorySwitchboard(), {
      ...defaultRelayOptions,
      maxLinksPerPrincipal: Number.MAX_SAFE_INTEGER,
      verifyToken,
      log: silentLog,
    });
    const { relay } = this;
    this.#gate = createGate(verifyToken, { isDraining: () => false, allowOrigins: [] });
    this.#routes = createRoutes({
      gate: this.#gate,
      counters: relay.counters,
      log: silentLog,
      isDraining: () => false,
      isCutOff: () => false,
      servesMetrics: false,
      listNodes:
        list ?? (async (question) => ({ nodes: listNodes(relay.switchboard, question), isWhole: true })),
      describeBroker: () => ({ version: 'dev', engine: 'memory', draining: false, ...relayStatus(relay) }),
      allowOrigins: [],
      hasPage: true,
      compresses: true,
    });
    this.keepAlive = new KeepAlive(defaultKeepAlive, (end) => {
      relay.closed(end, closeCodes.keepAlive, 'silent for too long');
      end.close(closeCodes.keepAlive);
    });
  }

  /** Decides about an upgrade and opens the link, as the server does. @throws Refusal */
  async open(token: string, path: string, query: Record<string, string>, peer: Peer): Promise<BrokerEnd> {
    const url = `http://broker${path}?${new URLSearchParams(query)}`;
    const headers = { authorization: `Bearer ${token}`, 'sec-websocket-protocol': subprotocol };
    const admission = await this.#gate.authorizeUpgrade(new Request(url, { headers }));
    return this.enter(tagOf(admission, '192.0.2.1'), peer);
  }

  /** Opens a link whose upgrade was granted. */
  enter(tag: LinkTag, peer: Peer): BrokerEnd {
    const end = new BrokerEnd(tag, peer);
    this.keepAlive.add(end);
    this.relay.open(end);
    return end;
  }

  /** The link has ended at the peer's side. */
  left(end: BrokerEnd): void {
    this.keepAlive.remove(end);
    this.relay.closed(end, 1006, 'cut');
  }

  async ask(path: string, token: string): Promise<Response> {
    return this.#routes.fetch(
      new Request(`http://broker${path}`, { headers: { authorization: `Bearer ${token}` } }),
      {},
    );
  }

  close(): void {
    this.keepAlive.stop();
  }
}
