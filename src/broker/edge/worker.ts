// The broker at the edge: a Worker that authenticates with the same gate and routes as the Node server, and hands
// each link to the Durable Object of its node. Holds nothing between requests but what the environment says.

import { tellBuild } from '../../metrics/build-info.ts';
import { requestIdHeader, requestIdOf } from '../../protocol/dial-mark.ts';
import { FairleadError } from '../../protocol/errors.ts';
import { newCounters } from '../counters.ts';
import type { NodeQuestion, NodeSummary } from '../directory.ts';
import { agentPath, createGate, dialPath, type Gate } from '../gate.ts';
import { tokenVerifier } from '../identity-verifier.ts';
import { errorResponse, Refusal } from '../refusal.ts';
import { tellLinks, tellTraffic } from '../relay-figures.ts';
import { createRoutes } from '../routes.ts';
import { consoleLog } from './console-log.ts';
import { add, countersOf, type Growth } from './counts.ts';
import { type EdgeSettings, type Environment, edgeSettings } from './environment.ts';
import { countsUrl, directoryStubs, linkRequest, listUrl, nodeStub, summaryUrl } from './internal.ts';
import { contentType, TextFigures } from './text-figures.ts';

export { DirectoryObject } from './directory-object.ts';
export { NodeObject } from './node-object.ts';

const version = 'edge';

interface App {
  fetch(request: Request): Promise<Response>;
}

let app: App | undefined;

export default {
  async fetch(request: Request, environment: Environment): Promise<Response> {
    try {
      app ??= createApp(environment);
    } catch (error) {
      const why = error instanceof FairleadError ? error.message : String(error);
      consoleLog.error({ event: 'configuration', error: why }, 'this broker is not configured');
      return errorResponse(500, 'ERR_CONFIG', 'this broker is not configured: see its log');
    }
    return app.fetch(request);
  },
};

function createApp(environment: Environment): App {
  const settings = edgeSettings(environment);
  const { issuer, audience } = settings;
  if (typeof environment.AUTH_SECRET !== 'string')
    throw new FairleadError(
      'ERR_CONFIG',
      'the secret AUTH_SECRET is missing: wrangler secret put AUTH_SECRET',
    );
  const isDraining = () => false;
  const gate = createGate(tokenVerifier({ secret: environment.AUTH_SECRET, issuer, audience }), {
    isDraining,
    allowOrigins: settings.allowOrigins,
  });
  const counters = newCounters();
  const routes = createRoutes({
    gate,
    counters,
    log: consoleLog,
    isDraining,
    isCutOff: () => false,
    servesMetrics: false,
    listNodes: async (question) => ({ nodes: await listAll(environment, settings, question), isWhole: true }),
    // The Worker is wherever the request came in, for as long as the platform likes: it has no past to tell of.
    describeBroker: (nodes) => ({ version, engine: 'edge', draining: false, ...linksOf(nodes) }),
    metrics: () => figures(environment, settings),
    hasPage: true,
    allowOrigins: settings.allowOrigins,
    compresses: false,
    findNode: async (node) => {
      const response = await nodeStub(environment, settings, node).fetch(summaryUrl);
      return ((await response.json()) as NodeSummary | null) ?? undefined;
    },
  });
  return {
    async fetch(request) {
      const { pathname } = new URL(request.url);
      const isUpgrade = request.headers.get('upgrade')?.toLowerCase() === 'websocket';
      if (!isUpgrade || (pathname !== agentPath && pathname !== dialPath)) return routes.fetch(request, {});
      try {
        return await openLink(environment, settings, gate, request);
      } catch (error) {
        if (!(error instanceof Refusal)) throw error;
        counters.refused[error.why]++;
        const id = requestIdOf(request.headers.get(requestIdHeader));
        const { why, status, code, message } = error;
        consoleLog.info(
          { event: 'link-refused', why, status, code, reason: message, path: pathname, request: id },
          'link refused',
        );
        return error.toResponse(id);
      }
    },
  };
}

async function openLink(
  environment: Environment,
  settings: EdgeSettings,
  gate: Gate,
  request: Request,
): Promise<Response> {
  const admission = await gate.authorizeUpgrade(request);
  const node = 'node' in admission ? admission.node : admission.identity.node;
  const response = await nodeStub(environment, settings, node).fetch(
    // The platform writes this header itself, whatever the client sent.
    ...linkRequest(admission, request.headers.get('cf-connecting-ip') ?? undefined),
  );
  // The platform's own types and the web's differ in name only.
  return response as unknown as Response;
}

function linksOf(nodes: readonly NodeSummary[]) {
  const agents = nodes.flatMap(({ instances }) => instances);
  const sessions = agents.reduce((sum, agent) => sum + agent.sessions, 0);
  return { links: { agent: agents.length, dial: sessions }, sessions };
}

/** What the directory knows: who is connected, and the sums of what the nodes' objects have told it. */
async function figures(
  environment: Environment,
  settings: EdgeSettings,
): Promise<{ text: string; type: string }> {
  const nodes = await listAll(environment, settings, {});
  const sums: Growth = {};
  for (const stub of directoryStubs(environment, settings)) {
    const response = await stub.fetch(countsUrl);
    add(sums, (await response.json()) as Growth);
  }
  const sink = new TextFigures();
  tellBuild(sink, version);
  tellLinks(sink, () => ({ nodes: nodes.length, ...linksOf(nodes) }));
  tellTraffic(sink, () => countersOf(sums));
  return { text: sink.text, type: contentType };
}

async function listAll(
  environment: Environment,
  settings: EdgeSettings,
  question: NodeQuestion,
): Promise<NodeSummary[]> {
  const shards = directoryStubs(environment, settings).map(async (stub) => {
    const response = await stub.fetch(listUrl(question));
    return (await response.json()) as NodeSummary[];
  });
  return (await Promise.all(shards)).flat().sort((a, b) => (a.node < b.node ? -1 : 1));
}
