// The broker's HTTP routes, for any runtime that Hono runs on. Links are opened beside them, by the engine.

import { type Context, Hono } from 'hono';
import { cors } from 'hono/cors';
import { metricsPath } from '../metrics/path.ts';
import { dataHeaders, page, pageHeaders } from '../page/served.ts';
import { requestIdHeader, requestIdOf } from '../protocol/dial-mark.ts';
import { type BrokerStatus, statusPath } from '../protocol/status.ts';
import { describe, documentOf, documentPath, type ListedNode } from './api.ts';
import { type BrokerLog, bounded } from './broker-log.ts';
import type { Counters } from './counters.ts';
import type { InstanceSummary, NodeList, NodeQuestion, NodeSummary } from './directory.ts';
import { agentPath, type Caller, dialPath, type Gate } from './gate.ts';
import { grantsNode } from './grants.ts';
import { errorResponse, Refusal } from './refusal.ts';
import { normalHost, resolveHost } from './resolve.ts';
import { statusOf } from './status.ts';
import { StatusSnapshots } from './status-snapshots.ts';

export interface RoutesOptions {
  readonly gate: Gate;
  readonly counters: Counters;
  readonly log: BrokerLog;
  readonly isDraining: () => boolean;
  /** True while this broker cannot reach its other replicas. */
  readonly isCutOff: () => boolean;
  readonly listNodes: (question: NodeQuestion) => Promise<NodeList>;
  /** One node, where the engine knows more of it than its list does. Default: that list. */
  readonly findNode?: (node: string) => Promise<NodeSummary | undefined>;
  /** Whether the engine has /metrics beside these routes. */
  readonly servesMetrics: boolean;
  /** For an engine whose /metrics is asked with a token that grants every node. Default: there is none here. */
  readonly metrics?: () => Promise<{ readonly text: string; readonly type: string }>;
  /** What the broker knows of itself, beside these nodes. */
  readonly describeBroker: (nodes: readonly NodeSummary[]) => BrokerStatus;
  /** True where there is a status page at `/`. */
  readonly hasPage: boolean;
  /** Sites whose pages may ask, too. */
  readonly allowOrigins: readonly string[];
  /** True where long answers are to be compressed here, because nothing in front does it. */
  readonly compresses: boolean;
}

/** What an engine knows of a request besides what is in it. */
interface Surroundings {
  readonly Bindings: {
    readonly caller?: Caller | undefined;
    /** True for somebody at this very machine, who may see the status without a token. */
    readonly isLocal?: boolean;
  };
}

/** Characters; less is one packet or two. */
const worthCompressing = 2048;

export function createRoutes(options: RoutesOptions): Hono<Surroundings> {
  const { gate, counters, log, isDraining, isCutOff, listNodes } = options;
  const findNode = options.findNode ?? (async (wanted) => (await listNodes({ node: wanted })).nodes[0]);
  const app = new Hono<Surroundings>();
  const snapshots = new StatusSnapshots(async (patterns) => {
    const list = await listNodes({});
    const nodes = list.nodes.filter(({ node }) => patterns === undefined || grantsNode(patterns, node));
    return statusOf(options.describeBroker(list.nodes), { ...list, nodes });
  });

  app.get('/healthz', describe.healthz, (c) => c.json({ status: 'ok' }));

  app.get('/readyz', describe.readyz, (c) => {
    if (isDraining()) return c.json({ status: 'draining' }, 503);
    return isCutOff() ? c.json({ status: 'nats-down' }, 503) : c.json({ status: 'ready' });
  });

  // A page of another site must not ask in the name of whoever looks at it: a browser adds the certificate itself.
  app.use('/v1/*', async (c, next) => {
    const origin = c.req.header('origin');
    if (origin !== undefined && !isOriginOf(origin, c.req.url) && !options.allowOrigins.includes(origin))
      throw new Refusal('origin', 'this is not for pages of other sites: the Origin header names one');
    await next();
  });
  // No credentials: a page of another site speaks for itself, by a token.
  if (options.allowOrigins.length > 0)
    app.use(
      '/v1/*',
      cors({ origin: [...options.allowOrigins], allowMethods: ['GET'], allowHeaders: ['authorization'] }),
    );

  app.get('/v1/nodes', describe.nodes, async (c) => {
    const patterns = await grantedNodes(c);
    const { nodes, isWhole } = await listNodes({});
    const shown = nodes.filter(({ node }) => grantsNode(patterns, node)).map(listed);
    return c.json({ nodes: shown, ...(isWhole ? {} : { partial: true }) });
  });

  if (options.hasPage) app.get('/', describe.page, (c) => c.body(page, 200, { ...pageHeaders }));

  app.get(statusPath, describe.status, async (c) => {
    const { authorization, origin } = c.req.header();
    // A page that was let in from elsewhere speaks for itself, by its token.
    const isOpen = c.env.isLocal === true && authorization === undefined && origin === undefined;
    const snapshot = await snapshots.of(isOpen ? undefined : await grantedNodes(c));
    const headers = {
      ...dataHeaders,
      'content-type': 'application/json',
      vary: 'authorization, accept-encoding',
    };
    const isLong = snapshot.json.length > worthCompressing;
    if (options.compresses && isLong && takesGzip(c.req.header('accept-encoding')))
      return c.body(await snapshot.gzip(), 200, { ...headers, 'content-encoding': 'gzip' });
    return c.body(snapshot.json, 200, headers);
  });

  app.get('/v1/resolve', describe.resolve, async (c) => {
    const patterns = await grantedNodes(c);
    const asked = c.req.query('host') ?? '';
    const host = normalHost(asked);
    if (host === undefined)
      throw new Refusal('bad-request', 'the query parameter "host" must be a host name or an address');
    const { nodes } = await listNodes({ host });
    const candidates = resolveHost(
      host,
      nodes.filter(({ node }) => grantsNode(patterns, node)),
    );
    if (candidates.length === 0) throw new Refusal('node-away', `no connected agent serves "${host}"`);
    return c.json({ host, nodes: candidates });
  });

  app.get('/v1/nodes/:node', describe.node, async (c) => {
    const wanted = c.req.param('node');
    if (!grantsNode(await grantedNodes(c), wanted))
      throw new Refusal('forbidden', `this token does not grant the node "${bounded(wanted)}"`);
    const node = await findNode(wanted);
    if (node === undefined)
      throw new Refusal('node-away', `no agent of the node "${bounded(wanted)}" is connected`);
    return c.json(listed(node));
  });

  // Upgrades do not come here.
  const askForUpgrade = () => {
    throw new Refusal('not-an-upgrade', 'this is opened as a WebSocket');
  };
  app.get(agentPath, describe.agent, askForUpgrade);
  app.get(dialPath, describe.dial, askForUpgrade);

  const { metrics } = options;
  if (metrics !== undefined)
    app.get(metricsPath, describe.metrics, async (c) => {
      // Sums over all nodes are for whoever may dial them all.
      if (!(await grantedNodes(c)).includes('*'))
        throw new Refusal('forbidden', 'figures of all nodes want a dial token for all nodes: "*"');
      const { text, type } = await metrics();
      return c.body(text, 200, { 'content-type': type });
    });

  let document: Promise<object> | undefined;
  app.get(documentPath, describe.document, async (c) => {
    const { version } = options.describeBroker([]);
    document ??= documentOf(app, { version, servesMetrics: options.servesMetrics });
    return c.json(await document);
  });

  const requestOf = (c: Context) => requestIdOf(c.req.header(requestIdHeader));

  app.notFound((c) => new Refusal('not-found', 'there is nothing at this path').toResponse(requestOf(c)));

  app.onError((error, c) => {
    const request = requestOf(c);
    if (error instanceof Refusal) {
      counters.refused[error.why]++;
      return error.toResponse(request);
    }
    log.error({ event: 'request-failed', request, error: bounded(error.message) }, 'a request failed');
    return errorResponse(500, 'ERR_CLOSED', 'the broker failed to answer: see its log');
  });

  /** The patterns that the caller's dial token or certificate grants. */
  async function grantedNodes(c: Context<Surroundings>): Promise<readonly string[]> {
    const identity = await gate.authenticate(c.req.raw, c.env.caller);
    if (identity.kind !== 'dial') throw new Refusal('forbidden', 'a dial token is needed to list nodes');
    return identity.nodes;
  }

  return app;
}

/** What does not change from one moment to the next: the rest is in {@link statusPath}. */
function listed({ node, instances }: NodeSummary): ListedNode {
  return {
    node,
    instances: instances.map(
      ({ instance, version, since, draining, labels, routes, sessions }: InstanceSummary) => ({
        instance,
        version,
        since,
        draining,
        labels,
        routes,
        sessions,
      }),
    ),
  };
}

/** RFC 9110 §12.5.3, as far as it matters here: named, and not with weight 0. */
function takesGzip(accepted = ''): boolean {
  return /(^|,)\s*gzip\s*(;\s*q=(?!0(\.0*)?\s*(,|$))[\d.]+\s*)?(,|$)/i.test(accepted);
}

/** By host and port alone: what stands in front of the broker may have ended the TLS. */
function isOriginOf(origin: string, url: string): boolean {
  return URL.canParse(origin) && new URL(origin).host === new URL(url).host;
}
