// The gateway: listeners, what is spoken at each, and how they end. Opens sockets and closes every one of them.

import type { BrokerClient } from '../client/index.ts';
import { Connections } from './connections.ts';
import type { Front } from './front.ts';
import { type GatewayLog, silentLog } from './gateway-log.ts';
import { HttpConnectFront } from './http-connect.ts';
import { type GatewayAddress, type Listener, openListener } from './listener.ts';
import { type ProxyOptions, ProxyPaths } from './proxy/proxy-paths.ts';
import { RoutedDialer } from './routed-dialer.ts';

export interface GatewayOptions {
  /** Dials; stays open when the gateway closes. */
  readonly broker: BrokerClient;
  /** Where HTTP CONNECT is spoken. */
  readonly httpConnect?: readonly GatewayAddress[];
  /** Where and how the proxy paths are served. */
  readonly proxy?: ProxyOptions | undefined;
  /** Longest that a dial takes, in ms. Range 1 to 86,400,000; default 10,000. */
  readonly dialTimeoutMs?: number;
  /** Connections served at once, over all listeners; more get 503. Range 1 to 1,000,000; default 10,000. */
  readonly maxConnections?: number;
  readonly log?: GatewayLog;
}

export interface Gateway {
  /** As they were bound: HTTP CONNECT first. */
  readonly addresses: readonly string[];
  /** Connections open now. */
  readonly connectionCount: number;
  /** Connections to targets of the proxy paths, those that are kept for later included. */
  readonly proxyTargetCount: number;
  /** Takes nothing new, lets open connections finish for `limitMs` at most, and closes. */
  drain(limitMs: number): Promise<void>;
  /** Breaks what is open. May be called while draining. */
  close(): Promise<void>;
}

const headTimeoutMs = 10_000;
const serverFirstGraceMs = 50;

/** @throws Node's own error where an address cannot be bound */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const {
    broker,
    httpConnect = [],
    dialTimeoutMs = 10_000,
    maxConnections = 10_000,
    log = silentLog,
  } = options;
  const connections = new Connections(maxConnections);
  const dialer = new RoutedDialer(broker, dialTimeoutMs);
  const connectFront = new HttpConnectFront({ dialer, log, serverFirstGraceMs, headTimeoutMs });
  const wanted: [GatewayAddress, Front][] = httpConnect.map((address) => [address, connectFront]);
  const proxy =
    options.proxy && new ProxyPaths(options.proxy, { dialer, log, headTimeoutMs, acceptsBasic: undefined });
  for (const address of options.proxy?.addresses ?? [])
    if (proxy !== undefined) wanted.push([address, proxy.frontFor(address)]);
  const listeners: Listener[] = [];
  const closeListeners = (): Promise<unknown> => Promise.all(listeners.map((listener) => listener.close()));
  try {
    for (const [address, front] of wanted) listeners.push(await openListener(address, front, connections));
  } catch (error) {
    await closeListeners();
    throw error;
  }

  async function drain(limitMs: number): Promise<void> {
    const closed = closeListeners();
    for (const { front } of listeners) front.drain();
    proxy?.drain();
    await connections.empty(limitMs);
    connections.breakAll();
    proxy?.close();
    await closed;
  }

  return {
    addresses: listeners.map(({ address }) => address),
    get connectionCount() {
      return connections.count;
    },
    get proxyTargetCount() {
      return proxy?.targetCount ?? 0;
    },
    drain,
    async close() {
      connections.breakAll();
      await drain(0);
    },
  };
}
