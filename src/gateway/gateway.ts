// The gateway: listeners, what is spoken at each, and how they end. Opens sockets and closes every one of them.

import { FairleadError } from '../protocol/errors.ts';
import { noTracer } from '../tracing/dial-tracer.ts';
import { Connections } from './connections.ts';
import { acceptsBasic, type Credentials } from './credentials.ts';
import type { Front } from './front.ts';
import { silentLog } from './gateway-log.ts';
import { type GatewayOptions, parseSettings } from './gateway-options.ts';
import { HttpConnectFront } from './http-connect.ts';
import { type GatewayAddress, type Listener, openListener } from './listener.ts';
import { type DialingFront, noMeter } from './meter.ts';
import { MeteredDialer } from './metered-dialer.ts';
import { ProxyPaths } from './proxy/proxy-paths.ts';
import { RoutedDialer } from './routed-dialer.ts';
import { StatusSource } from './shown-status.ts';
import { Socks5Front } from './socks5.ts';
import { StatusFront } from './status-front.ts';
import { CountedDialer, CountedFront } from './tally.ts';
import { TracedDialer } from './traced-dialer.ts';

/** A gateway that runs. */
export interface Gateway {
  /** As they were bound: HTTP CONNECT first, then SOCKS5, then the proxy paths, then the status page. */
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

/**
 * @throws FairleadError ERR_CONFIG for a setting or an address that cannot be served, and Node's own error where one
 *   cannot be bound
 */
export async function startGateway(options: GatewayOptions): Promise<Gateway> {
  const {
    broker,
    httpConnect = [],
    socks5 = [],
    certificate,
    credentials,
    log = silentLog,
    version = 'dev',
    meter = noMeter,
    tracer = noTracer,
  } = options;
  const { dialTimeoutMs, headTimeoutMs, maxConnections, serverFirstGraceMs } = parseSettings(options);
  const connections = new Connections(maxConnections, meter);
  const dialer = new CountedDialer(new RoutedDialer(broker, dialTimeoutMs));
  const contextOf = (front: DialingFront) => ({
    dialer: new TracedDialer(new MeteredDialer(dialer, front, meter), front, log, tracer),
    log,
    headTimeoutMs,
    countRefused: (code: string) => meter.refused(front, code),
  });
  // A socket's file and a client's certificate say who it is; on a plain port it is whoever has a password.
  const connectFronts = frontsFor(
    (asked) => new HttpConnectFront({ ...contextOf('http-connect'), serverFirstGraceMs, credentials: asked }),
    credentials,
  );
  const socksFronts = frontsFor(
    (asked) => new Socks5Front({ ...contextOf('socks5'), serverFirstGraceMs: 0, credentials: asked }),
    credentials,
  );
  if (socks5.some(({ kind }) => kind === 'tls'))
    throw new FairleadError('ERR_CONFIG', 'SOCKS5 is spoken on loopback and UNIX sockets only');
  const wanted: [GatewayAddress, Front][] = [
    ...httpConnect.map((address): [GatewayAddress, Front] => [
      address,
      new CountedFront('http-connect', connectFronts(address)),
    ]),
    ...socks5.map((address): [GatewayAddress, Front] => [
      address,
      new CountedFront('socks5', socksFronts(address)),
    ]),
  ];
  const proxy =
    options.proxy &&
    new ProxyPaths(options.proxy, {
      ...contextOf('proxy'),
      maxConnections,
      acceptsBasic: credentials && ((header) => acceptsBasic(credentials, header)),
    });
  for (const address of options.proxy?.addresses ?? [])
    if (proxy !== undefined) wanted.push([address, new CountedFront('proxy', proxy.frontFor(address))]);
  const listeners: Listener[] = [];
  let draining = false;
  const startedAt = new Date().toISOString();
  const source = new StatusSource(broker, () => {
    const fronts = listeners.flatMap(({ front, address }) =>
      front instanceof CountedFront ? [{ kind: front.kind, address, connections: front.connections }] : [],
    );
    const open = fronts.reduce((sum, front) => sum + front.connections, 0);
    return { version, startedAt, draining, connections: open, fronts, dials: dialer.outcomes };
  });
  for (const address of options.statusPage ?? []) {
    const asksPasswords = credentials !== undefined;
    wanted.push([
      address,
      new StatusFront({ source, kind: address.kind, asksPasswords, headTimeoutMs, log }),
    ]);
  }
  const closeListeners = (): Promise<unknown> => Promise.all(listeners.map((listener) => listener.close()));
  const listenerOptions = { connections, log, certificate, handshakeTimeoutMs: headTimeoutMs };
  try {
    for (const [address, front] of wanted)
      listeners.push(await openListener(address, front, listenerOptions));
  } catch (error) {
    for (const [, front] of wanted) front.drain();
    await closeListeners();
    throw error;
  }

  async function drain(limitMs: number): Promise<void> {
    draining = true;
    const closed = closeListeners();
    for (const { front, breakHandshakes } of listeners) {
      front.drain();
      if (limitMs === 0) breakHandshakes();
    }
    proxy?.drain();
    await connections.empty(limitMs);
    connections.breakAll();
    proxy?.close();
    for (const { breakHandshakes } of listeners) breakHandshakes();
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

/** One front for plain addresses, which asks for credentials, and one for the others. */
function frontsFor(
  make: (credentials: Credentials | undefined) => Front,
  credentials: Credentials | undefined,
): (address: GatewayAddress) => Front {
  const [plain, others] = [make(credentials), make(undefined)];
  return ({ kind }) => (kind === 'tcp' ? plain : others);
}
