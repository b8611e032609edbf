// What /openapi.json says is what the routes do: it names every route and no other, and what a real broker answers, good
// or bad, is what it describes.

import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import { documentPath } from '../../src/broker/api.ts';
import { newCounters } from '../../src/broker/counters.ts';
import { createGate } from '../../src/broker/gate.ts';
import { type Broker, mintToken } from '../../src/broker/index.ts';
import { createRoutes } from '../../src/broker/routes.ts';
import { errorCodes } from '../../src/protocol/errors.ts';
import { opened, secret, start } from './started-broker.ts';

interface Operation {
  readonly operationId: string;
  readonly parameters?: readonly {
    readonly name: string;
    readonly in: string;
    readonly required?: boolean;
  }[];
  readonly responses: Readonly<
    Record<string, { readonly content?: Readonly<Record<string, { readonly schema: object }>> }>
  >;
}

interface Document {
  readonly openapi: string;
  readonly info: { readonly version: string };
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
  readonly components: { readonly schemas: Readonly<Record<string, object>> };
}

async function documentOf(broker: Broker): Promise<Document> {
  const response = await fetch(`${broker.url.replace('ws', 'http')}${documentPath}`);
  expect(response.status).toBe(200);
  return (await response.json()) as Document;
}

function operationsOf({ paths }: Document): string[] {
  return Object.entries(paths)
    .flatMap(([path, methods]) => Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`))
    .sort();
}

test('it is OpenAPI 3.1, of the version of the broker, and needs no token', async () => {
  const document = await documentOf(await start({ version: '9.8.7' }));
  expect(document).toMatchObject({ openapi: '3.1.0', info: { version: '9.8.7' } });
  expect(await new Validator().validate({ ...document })).toEqual({ valid: true });
});

test('every route is in it, and all that is in it is a route', async () => {
  const app = createRoutes({
    gate: createGate(() => Promise.reject(new Error('nobody')), {
      isDraining: () => false,
      allowOrigins: [],
    }),
    counters: newCounters(),
    log: { info() {}, warn() {}, error() {} } as never,
    isDraining: () => false,
    isCutOff: () => false,
    servesMetrics: false,
    hasPage: true,
    allowOrigins: [],
    compresses: true,
    listNodes: async () => ({ nodes: [], isWhole: true }),
    describeBroker: () => ({
      version: '1',
      engine: 'memory',
      draining: false,
      links: { agent: 0, dial: 0 },
      sessions: 0,
    }),
  });
  const routes = app.routes
    // What stands before several routes is none itself.
    .filter(({ method, path }) => method !== 'ALL' && !path.includes('*'))
    .map(({ method, path }) => `${method} ${path.replace(/:(\w+)/g, '{$1}')}`);
  const document = (await (await app.request(documentPath)).json()) as Document;
  expect(operationsOf(document)).toEqual([...new Set(routes)].sort());
});

test('/metrics is in it where this listener has it, and nowhere else', async () => {
  const ask = async (broker: Broker) => (await fetch(`${broker.url.replace('ws', 'http')}/metrics`)).status;
  const having = await start();
  expect(operationsOf(await documentOf(having))).toContain('GET /metrics');
  expect(await ask(having)).toBe(200);
  const lacking = await start({ metrics: 'off' });
  expect(operationsOf(await documentOf(lacking))).not.toContain('GET /metrics');
  expect(await ask(lacking)).toBe(404);
});

test('what a broker answers is what it describes, refusals too', async () => {
  const broker = await start();
  const token = await mintToken({ secret, agent: 'edge-1', routes: ['db.internal'] });
  const agent = await startAgent({
    url: broker.url,
    token,
    node: 'edge-1',
    allow: ['127.0.0.1:22'],
    routes: ['db.internal'],
    labels: { site: 'berlin' },
  });
  opened.push(agent);
  const document = await documentOf(broker);
  const dial = `Bearer ${await mintToken({ secret, dial: ['edge-*'] })}`;
  const good = { authorization: dial };
  const matches = matcherOf(document);

  const cases: readonly [path: string, described: string, headers: Record<string, string>, status: number][] =
    [
      ['/healthz', '/healthz', {}, 200],
      ['/readyz', '/readyz', {}, 200],
      ['/openapi.json', '/openapi.json', {}, 200],
      ['/v1/nodes', '/v1/nodes', good, 200],
      ['/v1/nodes', '/v1/nodes', {}, 401],
      ['/v1/nodes', '/v1/nodes', { authorization: `Bearer ${token}` }, 403],
      ['/v1/nodes', '/v1/nodes', { ...good, origin: 'https://elsewhere.example' }, 403],
      ['/v1/nodes/edge-1', '/v1/nodes/{node}', good, 200],
      ['/v1/nodes/edge-2', '/v1/nodes/{node}', good, 404],
      ['/v1/nodes/other', '/v1/nodes/{node}', good, 403],
      ['/v1/status', '/v1/status', good, 200],
      ['/v1/status', '/v1/status', {}, 200],
      ['/v1/status', '/v1/status', { 'x-forwarded-for': '203.0.113.7' }, 401],
      ['/v1/resolve?host=db.internal', '/v1/resolve', good, 200],
      ['/v1/resolve?host=no.such.host', '/v1/resolve', good, 404],
      ['/v1/resolve', '/v1/resolve', good, 400],
      ['/v1/resolve?host=edge-1', '/v1/resolve', {}, 401],
      ['/v1/agent', '/v1/agent', good, 426],
      ['/v1/dial', '/v1/dial', good, 426],
    ];
  for (const [path, described, headers, status] of cases) {
    const response = await fetch(`${broker.url.replace('ws', 'http')}${path}`, { headers });
    expect(response.status, path).toBe(status);
    expect(matches(described, status, await response.json()), `${status} at ${path}`).toEqual([]);
  }
  // Every route but those that give text was asked.
  const asked = new Set(cases.map(([, described]) => described));
  expect([...asked, '/', '/metrics'].sort()).toEqual(Object.keys(document.paths).sort());

  // The check can fail: what is lacking and what is not described are both found.
  expect(matches('/v1/nodes', 200, { nodes: [{ node: 'edge-1' }] })).not.toEqual([]);
  expect(matches('/v1/nodes', 200, { nodes: [], more: 1 })).not.toEqual([]);
  expect(matches('/v1/nodes', 401, { error: { code: 'ERR_OTHER', message: '' } })).not.toEqual([]);
});

test('a broker that ends says so as it describes', async () => {
  const broker = await start({ drainMs: 60_000 });
  const document = await documentOf(broker);
  const node = await mintToken({ secret, agent: 'edge-1' });
  const agent = await startAgent({ url: broker.url, token: node, node: 'edge-1', allow: ['127.0.0.1:22'] });
  opened.push(agent);
  void broker.drain();
  const response = await fetch(`${broker.url.replace('ws', 'http')}/readyz`);
  expect(response.status).toBe(503);
  expect(matcherOf(document)('/readyz', 503, await response.json())).toEqual([]);
});

test('links are described with what their query is checked for', async () => {
  const { paths } = await documentOf(await start());
  const names = (path: string) =>
    paths[path]?.get?.parameters?.map(({ name, required }) => `${name}${required === true ? '' : '?'}`);
  expect(names('/v1/dial')).toEqual(expect.arrayContaining(['node', 'session', 'instance?', 'attempt?']));
  expect(names('/v1/agent')).toEqual(expect.arrayContaining(['node', 'instance', 'routes?', 'labels?']));
  for (const path of ['/v1/agent', '/v1/dial'])
    expect(Object.keys(paths[path]?.get?.responses ?? {})).toEqual([
      '101',
      '400',
      '401',
      '403',
      '408',
      '426',
      '429',
      '500',
      '503',
    ]);
});

test('its codes are the closed list', async () => {
  const { components } = await documentOf(await start());
  expect(components.schemas.Error).toMatchObject({
    properties: { error: { properties: { code: { enum: [...errorCodes] } } } },
  });
});

/** Says what is wrong with an answer, in view of the document. */
function matcherOf(document: Document) {
  // A field that is not described is an error as well.
  const closed = JSON.parse(JSON.stringify(document), (_, value: unknown) =>
    typeof value === 'object' && value !== null && 'properties' in value && !('additionalProperties' in value)
      ? { ...value, additionalProperties: false }
      : value,
  ) as Document;
  const ajv = new Ajv2020({ strict: false, validateFormats: false });
  ajv.addSchema({ $id: 'document', ...closed });
  return (path: string, status: number, body: unknown): unknown[] => {
    const response = closed.paths[path]?.get?.responses[status];
    if (response === undefined) return [`${status} at ${path} is not described`];
    const pointer = ['paths', path, 'get', 'responses', status, 'content', 'application/json', 'schema']
      .map((part) => encodeURIComponent(String(part).replaceAll('~', '~0').replaceAll('/', '~1')))
      .join('/');
    const validate = ajv.compile({ $ref: `document#/${pointer}` });
    return validate(body) ? [] : (validate.errors ?? []);
  };
}
