// The broker on Node: one HTTP server, its links, and how they end. Opens sockets and timers and closes every
// one of them.

import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import type { WebSocket } from 'ws';
import { asksFromLoopback, asksLocally } from '../link/local-request.ts';
import { type MetricsListener, serveMetrics } from '../metrics/listener.ts';
import { metricsPath } from '../metrics/path.ts';
import type { Metrics } from '../metrics/registry.ts';
import { closeCodes, FairleadError } from '../protocol/errors.ts';
import { BrokerAudit } from './audit.ts';
import { bounded } from './broker-log.ts';
import { type ClientCertificates, clientCertificates } from './client-certificates.ts';
import type { Counters } from './counters.ts';
import { listNodes } from './directory.ts';
import { EventLoopDelay } from './event-loop.ts';
import { type Admission, createGate } from './gate.ts';
import type { Denied } from './identity-deny.ts';
import { verifierOf } from './identity-verifier.ts';
import { Intake } from './intake.ts';
import { KeepAlive } from './keep-alive.ts';
import { tagOf } from './link.ts';
import { MemorySwitchboard } from './memory-switchboard.ts';
import { brokerMetrics } from './metrics.ts';
import { NatsReplicas } from './nats/nats-replicas.ts';
import { NodeLink } from './node-link.ts';
import { type BrokerOptions, type BrokerSettings, issuersOf, logOf, parseSettings } from './node-options.ts';
import { certificateEndsAt, createTlsServer } from './node-tls.ts';
import { Upgrader } from './node-upgrade.ts';
import { Pressure } from './pressure.ts';
import { Refusal } from './refusal.ts';
import { Relay } from './relay.ts';
import { defaultRelayOptions } from './relay-options.ts';
import { RequestLimits } from './request-limits.ts';
import { createRoutes } from './routes.ts';
import { Sources } from './source.ts';
import { relayStatus } from './status.ts';

export interface Broker {
  /** The bound address. */
  readonly address: AddressInfo;
  /** Where /metrics is, if on a listener of its own. */
  readonly metricsAddress: AddressInfo | undefined;
  /** Where peers connect: `ws://` or `wss://`, host and port. */
  readonly url: string;
  readonly counters: Counters;
  readonly relay: Relay;
  readonly intake: Intake;
  /** Not ready from now on; asks every peer to move, waits for them up to `drainMs`, then closes. */
  drain(): Promise<void>;
  /** Closes at once. May be called while draining. */
  close(): Promise<void>;
}

/** How long `close` lets peers answer the close frame. */
const closeGraceMs = 250;

/** How often expired tokens are looked for. */
const expiryEveryMs = 5000;

/**
 * @throws FairleadError ERR_CONFIG for a setting, secret or certificate that cannot be used, and Node's own
 *   error where the address cannot be listened on.
 */
export async function startBroker(options: BrokerOptions): Promise<Broker> {
  const settings = parseSettings(options);
  const log = logOf(options);
  const { revocations } = options;
  const isRevoked = (who: Denied) => revocations?.includes(who) ?? false;
  const verifyToken = verifierOf(issuersOf(options), isRevoked);
  const audit = new BrokerAudit(options.audit);
  const relay = new Relay(new MemorySwitchboard(), {
    ...defaultRelayOptions,
    ...settings,
    verifyToken,
    // Between two replicas a message costs more than the copies that packing needs: docs/performance.md.
    packBulk: options.nats === undefined ? undefined : true,
    left: (link, code, reason) => {
      if (link instanceof NodeLink) audit.closed(link, code, reason);
    },
    log,
  });
  const { counters } = relay;
  const replicas =
    options.nats === undefined ? undefined : new NatsReplicas(relay, options.nats, settings, log);
  relay.replicas = replicas;
  const links = new Set<NodeLink>();
  /** Called once no link is left. */
  const waiting = new Set<() => void>();
  let draining = false;
  const isDraining = () => draining;

  const sources = new Sources({ proxies: settings.trustedProxies, header: settings.proxyHeader });
  const intake = new Intake(settings, sources);
  const requests = new RequestLimits(settings, sources);
  const pressure = new Pressure<NodeLink>(settings, links, (link) => {
    relay.overflowed(link);
    link.terminate();
  });

  const certificates = clientCertificates(options, isRevoked);
  const callerOf = ({ socket }: IncomingMessage) => certificates?.callerOn(socket);
  const isOpen = (options.statusPage ?? 'loopback') === 'loopback';
  const gate = createGate(verifyToken, { isDraining, allowOrigins: settings.allowOrigins });
  const routes = createRoutes({
    gate,
    counters,
    log,
    isDraining,
    isCutOff: () => replicas?.isUp === false,
    servesMetrics: options.metrics === undefined,
    async listNodes(question) {
      if (replicas !== undefined) return replicas.list(question);
      return { nodes: listNodes(relay.switchboard, question), isWhole: true };
    },
    describeBroker: () => ({
      version: settings.version,
      engine: replicas === undefined ? 'memory' : 'nats',
      startedAt,
      draining,
      ...relayStatus(relay),
      bufferedBytes: pressure.bufferedBytes,
      ...eventLoop.read(),
    }),
    allowOrigins: settings.allowOrigins,
    hasPage: options.statusPage !== 'off',
    compresses: true,
  });
  const startedAt = new Date().toISOString();
  const eventLoop = new EventLoopDelay();
  let metrics: Metrics | undefined;
  // Made when first asked for: measuring the event loop is not free.
  const figures = () => {
    metrics ??= brokerMetrics({
      version: settings.version,
      relay,
      intake,
      pressure,
      isDraining,
      nats: replicas && (() => replicas.figures),
      certificateEndsAt: options.tls && certificateEndsAt(options.tls, server),
    });
    return metrics;
  };
  const server = createHttpServer(options, settings, certificates, async (request, { incoming }) => {
    const source = requests.sourceOf(incoming);
    try {
      await requests.check(source);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      counters.refused[error.why]++;
      return error.toResponse();
    }
    const isMetrics = options.metrics === undefined && new URL(request.url).pathname === metricsPath;
    if (isMetrics && request.method === 'GET' && asksFromLoopback(incoming)) {
      const headers = { 'content-type': figures().contentType };
      return new Response(await figures().render(), { headers });
    }
    const isLocal = isOpen && requests.proxiedSourceOf(incoming) === undefined && asksLocally(incoming);
    const response = await routes.fetch(request, { caller: callerOf(incoming), isLocal });
    if (response.status === 401) await requests.failed(source);
    return response;
  });
  intake.guard(server);
  certificates?.onAuthoritiesChanged(() =>
    relay.recheck(({ serial }) => serial !== undefined, Date.now() + settings.drainMs),
  );
  const upgrader = new Upgrader({
    gate,
    fetch: (request, incoming) => routes.fetch(request, { caller: callerOf(incoming) }),
    callerOf,
    isDraining,
    maxMessageBytes: settings.maxMessageBytes,
    timeoutMs: settings.handshakeMs,
    async screen(incoming) {
      await requests.check(requests.sourceOf(incoming));
      const client = requests.proxiedSourceOf(incoming);
      if (client !== undefined && intake.isCrowded(client))
        throw new Refusal('address-limit', 'too many links from this address');
      if (pressure.isHigh)
        throw new Refusal('overloaded', 'this broker has no room for more links: come back in a second');
    },
    unauthorized: (incoming) => void requests.failed(requests.sourceOf(incoming)),
    accept,
    refused(refusal, path, request) {
      counters.refused[refusal.why]++;
      audit.refused(refusal, path);
      const { why, status, code, message } = refusal;
      log.info(
        { event: 'link-refused', why, status, code, reason: message, path: bounded(path), request },
        'link refused',
      );
    },
    failed(error) {
      log.error({ event: 'upgrade-failed', error: bounded(String(error)) }, 'an upgrade failed');
    },
  });
  server.on('upgrade', (incoming, socket, head) => upgrader.handle(incoming, socket, head));

  const keepAlive = new KeepAlive<NodeLink>(settings, (link) => {
    relay.closed(link, closeCodes.keepAlive, 'silent for too long');
    link.terminate();
  });
  const forgetRevocations = revocations?.onReplaced(() => relay.revoke(isRevoked));
  const expiry = setInterval(() => relay.expire(Date.now()), expiryEveryMs);
  expiry.unref();

  function accept(webSocket: WebSocket, incoming: IncomingMessage, admission: Admission): void {
    // On Node what an upgrade hands over is the connection's socket, plain or TLS.
    const { socket } = incoming;
    const link = new NodeLink(tagOf(admission, requests.addressOf(incoming)), webSocket, socket, pressure);
    const client = requests.proxiedSourceOf(incoming);
    if (client !== undefined) webSocket.once('close', intake.enterProxied(client));
    links.add(link);
    keepAlive.add(link);
    socket.setNoDelay(true);
    socket.on('drain', () => relay.drained(link));
    webSocket.on('message', (data, isBinary) => {
      // `nodebuffer` is the default binaryType: a message is one Buffer.
      if (isBinary) relay.receive(link, data as Buffer);
      else relay.receiveText(link);
    });
    webSocket.on('error', (error) => {
      relay.closed(link, closeCodeOf(error), error.message);
      link.endSoon();
    });
    webSocket.on('close', (code, reason) => {
      links.delete(link);
      keepAlive.remove(link);
      relay.closed(link, code, reason.toString());
      if (links.size === 0) for (const resume of waiting) resume();
    });
    audit.opened(link);
    relay.open(link);
  }

  /** Resolves once no link is left, or after `limitMs`. */
  function linksGone(limitMs: number): Promise<void> {
    if (links.size === 0) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        waiting.delete(done);
        resolve();
      };
      const timer = setTimeout(done, limitMs);
      waiting.add(done);
    });
  }

  async function shutDown(): Promise<void> {
    draining = true;
    clearInterval(expiry);
    eventLoop.stop();
    forgetRevocations?.();
    keepAlive.stop();
    pressure.stop();
    const closed = new Promise((resolve) => server.close(resolve));
    upgrader.close();
    relay.closeAll(closeCodes.shutdown, 'the broker is shutting down');
    await Promise.all([linksGone(closeGraceMs), replicas?.close()]);
    for (const link of links) link.terminate();
    server.closeAllConnections();
    await Promise.all([closed, metricsListener?.close()]);
    log.info({ event: 'broker-closed' }, 'broker closed');
  }

  let closing: Promise<void> | undefined;
  function close(): Promise<void> {
    closing ??= shutDown();
    return closing;
  }

  async function drain(): Promise<void> {
    if (!draining) {
      draining = true;
      log.info({ event: 'broker-draining', links: links.size }, 'broker draining');
      relay.goAway({ code: 'ERR_DRAINING', reason: 'the broker is shutting down' });
      await linksGone(settings.drainMs);
    }
    return close();
  }

  let metricsListener: MetricsListener | undefined;
  const address = await listen(server, settings, options.listenFd);
  try {
    if (typeof options.metrics === 'object') metricsListener = await serveMetrics(options.metrics, figures());
  } catch (error) {
    await close();
    throw error;
  }
  server.on('error', (error) => {
    log.error({ event: 'server-failed', error: bounded(error.message) }, 'the HTTP server reports an error');
  });
  const host = address.family === 'IPv6' ? `[${address.address}]` : address.address;
  const url = `${options.tls === undefined ? 'ws' : 'wss'}://${host}:${address.port}`;
  const metricsAddress = metricsListener?.address;
  return { address, metricsAddress, url, counters, relay, intake, drain, close };
}

function createHttpServer(
  options: BrokerOptions,
  settings: BrokerSettings,
  certificates: ClientCertificates | undefined,
  fetch: (request: Request, bindings: HttpBindings) => Promise<Response>,
): Server {
  const serverOptions = {
    noDelay: true,
    headersTimeout: settings.handshakeMs,
    requestTimeout: settings.handshakeMs,
    connectionsCheckingInterval: Math.ceil(settings.handshakeMs / 4),
  };
  // The process's own Request and Response stay what they are.
  const listener = getRequestListener((request, bindings) => fetch(request, bindings as HttpBindings), {
    overrideGlobalObjects: false,
  });
  if (options.tls === undefined) return createServer(serverOptions, listener);
  const tlsOptions = { ...serverOptions, handshakeTimeout: settings.handshakeMs };
  return createTlsServer(options.tls, tlsOptions, listener, certificates);
}

/**
 * Connections that the kernel may hold for us, as far as net.core.somaxconn lets it: all agents come at once after a restart,
 * and one that finds no place asks again after whole seconds.
 */
const backlog = 4096;

async function listen(
  server: Server,
  settings: BrokerSettings,
  fd: number | undefined,
): Promise<AddressInfo> {
  const where = fd === undefined ? { host: settings.host, port: settings.port, backlog } : { fd };
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(where, () => {
      server.off('error', reject);
      resolve();
    });
  });
  const address = server.address();
  if (typeof address === 'object' && address !== null) return address;
  server.close();
  throw new FairleadError('ERR_CONFIG', 'the socket that was handed over is none of TCP');
}

/** The code that `ws` closes with when it finds a peer breaking RFC 6455 or a limit. */
function closeCodeOf(error: Error): number {
  const code = 'code' in error ? error.code : undefined;
  if (code === 'WS_ERR_UNSUPPORTED_MESSAGE_LENGTH') return closeCodes.tooBig;
  return typeof code === 'string' && code.startsWith('WS_ERR_') ? 1002 : 1006;
}
