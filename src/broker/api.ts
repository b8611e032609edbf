// What /openapi.json says of each route, beside the route itself: made of the schemas that requests are checked with and
// of the table of refusals, so that it says what the code does.

import type { Env, Hono } from 'hono';
import { describeRoute, generateSpecs, resolver } from 'hono-openapi';
import * as z from 'zod';
import { errorCodes } from '../protocol/errors.ts';
import { statusSchema } from '../protocol/status.ts';
import type { RefusalReason } from './counters.ts';
import { agentQuerySchema, dialQuerySchema, subprotocol } from './gate.ts';
import { refusalKinds } from './refusal.ts';

export const documentPath = '/openapi.json';

type Spec = Parameters<typeof describeRoute>[0];
type Responses = NonNullable<Spec['responses']>;
type Document = NonNullable<NonNullable<Parameters<typeof generateSpecs>[1]>['documentation']>;

const count = z.int().min(0);

const instanceSchema = z
  .object({
    instance: z.string().describe('Tells apart the agents of one node.'),
    version: z.string().nullable().describe("The agent's, as it says."),
    since: z.iso.datetime().describe('When its link was opened.'),
    draining: z.boolean().describe('It keeps its sessions and takes no new streams.'),
    labels: z.record(z.string(), z.string()).describe("What the node's owner says of it."),
    routes: z
      .array(z.string())
      .readonly()
      .describe("What it serves besides the node's name: names, addresses, CIDRs, `default`."),
    sessions: count.describe('Sessions whose dialer is connected.'),
  })
  .meta({ id: 'Instance' });

const nodeSchema = z
  .object({
    node: z.string(),
    instances: z.array(instanceSchema).describe('The oldest link first.'),
  })
  .meta({ id: 'Node' });
export type ListedNode = z.infer<typeof nodeSchema>;

const nodesSchema = z.object({
  nodes: z.array(nodeSchema).describe('By name.'),
  partial: z.literal(true).optional().describe('A replica did not answer, so that there may be more.'),
});

const resolvedSchema = z.object({
  host: z.string().describe('As it was understood.'),
  nodes: z
    .array(
      z.object({
        node: z.string(),
        route: z.string().describe("What matched: the node's own name, or one of its routes."),
        sessions: count,
      }),
    )
    .min(1)
    .max(16)
    .describe('Those with the best match, the one with the fewest sessions first.'),
});

const healthSchema = z.object({ status: z.literal('ok') });
const readySchema = z.object({ status: z.literal('ready') });
const unreadySchema = z.object({ status: z.enum(['draining', 'nats-down']) });

const errorSchema = z
  .object({
    error: z.object({
      code: z.enum(errorCodes).describe('From the closed list of docs/protocol.md.'),
      message: z.string().describe('What happened and what to do, for people.'),
    }),
  })
  .meta({ id: 'Error' });

/** Of everything below /v1. */
const always: readonly RefusalReason[] = [
  'origin',
  'unauthorized',
  'forbidden',
  'request-rate',
  'auth-failures',
  'keys-away',
];

const token = [{ token: [] }, { certificate: [] }];

export const describe = {
  healthz: describeRoute({
    operationId: 'isAlive',
    summary: 'Whether the process lives',
    tags: ['health'],
    responses: { 200: json('It does.', healthSchema) },
  }),
  readyz: describeRoute({
    operationId: 'isReady',
    summary: 'Whether this broker takes new links',
    tags: ['health'],
    responses: {
      200: json('It does.', readySchema),
      503: json('It is going to end, or does not reach its other replicas.', unreadySchema),
    },
  }),
  nodes: describeRoute({
    operationId: 'listNodes',
    summary: 'The nodes that an agent serves and that the caller may dial',
    tags: ['nodes'],
    security: token,
    responses: { 200: json('The nodes.', nodesSchema), ...refusals() },
  }),
  node: describeRoute({
    operationId: 'getNode',
    summary: 'One node',
    tags: ['nodes'],
    security: token,
    responses: { 200: json('The node.', nodeSchema), ...refusals('node-away') },
  }),
  resolve: describeRoute({
    operationId: 'resolveHost',
    summary: 'Which nodes serve a host: the exact name, then the longest prefix, then the default',
    tags: ['nodes'],
    security: token,
    parameters: [
      {
        name: 'host',
        in: 'query',
        required: true,
        description: 'A host name or an address, IPv6 in brackets or not.',
        schema: { type: 'string', minLength: 1, maxLength: 253 },
      },
    ],
    responses: { 200: json('The nodes.', resolvedSchema), ...refusals('bad-request', 'node-away') },
  }),
  status: describeRoute({
    operationId: 'getStatus',
    summary:
      'The broker, and how it is with the nodes that the caller may dial; all of them for whoever asks from loopback',
    tags: ['nodes'],
    security: [...token, {}],
    responses: { 200: json('The status.', statusSchema), ...refusals() },
  }),
  page: describeRoute({
    operationId: 'getStatusPage',
    summary: 'The status page, for people; what it shows it asks for itself',
    tags: ['health'],
    responses: {
      200: { description: 'One document.', content: { 'text/html': { schema: { type: 'string' } } } },
    },
  }),
  agent: describeRoute({
    operationId: 'openAgentLink',
    summary: 'Opens the link of an agent, as a WebSocket',
    tags: ['links'],
    security: token,
    parameters: queryParameters(agentQuerySchema.shape, {
      node: 'The node that it serves; the token must be for it.',
      instance: 'Tells apart the agents of one node.',
      routes: 'What it serves besides the name of the node, commas between; the token must grant each.',
      labels: 'What the owner says of it: `key=value` pairs, form-encoded within the parameter.',
      version: "The agent's.",
      attempt: 'Which of two links of one agent is the newer: the one with the greater number.',
    }),
    responses: upgrade(),
  }),
  dial: describeRoute({
    operationId: 'openDialLink',
    summary: 'Opens the link of a dialer to one node, as a WebSocket',
    tags: ['links'],
    security: token,
    parameters: queryParameters(dialQuerySchema.shape, {
      node: 'The node to dial; the token must grant it.',
      session: '16 hexadecimal digits, drawn at random: the session that the link carries.',
      instance: 'The agent that has the session, where one does.',
      version: "The dialer's.",
      attempt: 'Which of two links of one session is the newer: the one with the greater number.',
    }),
    responses: upgrade('session-taken', 'session-limit', 'principal-limit'),
  }),
  metrics: describeRoute({
    operationId: 'getMetrics',
    summary: 'The figures of docs/metrics.md, for whoever may dial every node',
    tags: ['health'],
    security: token,
    responses: {
      200: {
        description: 'Text that Prometheus reads.',
        content: { 'text/plain': { schema: { type: 'string' } } },
      },
      ...refusals(),
    },
  }),
  document: describeRoute({
    operationId: 'getDocument',
    summary: 'This document',
    tags: ['health'],
    responses: {
      200: { description: 'OpenAPI 3.1.', content: { 'application/json': { schema: { type: 'object' } } } },
    },
  }),
} as const;

/** OpenAPI 3.1 has this type, the library's types do not. */
const clientCertificate = {
  type: 'mutualTLS',
  description: 'A client certificate, where the broker was started with --client-ca.',
} as unknown as { type: 'http'; scheme: string };

/** What an engine answers before the routes are asked. */
const metricsPaths: NonNullable<Document['paths']> = {
  '/metrics': {
    get: {
      operationId: 'getMetrics',
      summary: 'The figures of docs/metrics.md, for those who ask from loopback; 404 for others',
      tags: ['health'],
      responses: {
        200: {
          description: 'Text that Prometheus reads.',
          content: { 'text/plain': { schema: { type: 'string' } } },
        },
        404: { description: 'For others.' },
      },
    },
  },
};

export interface DocumentOptions {
  readonly version: string;
  /** Whether this listener has /metrics. */
  readonly servesMetrics: boolean;
}

/** OpenAPI 3.1 of the routes that are described. */
export function documentOf<E extends Env>(
  app: Hono<E>,
  { version, servesMetrics }: DocumentOptions,
): Promise<object> {
  return generateSpecs(app, {
    // Else what is named like a file is left out: this document.
    excludeStaticFile: false,
    documentation: {
      openapi: '3.1.0',
      info: {
        title: 'Fairlead broker',
        version,
        description:
          'Who is connected, and where links are opened. What goes over a link is in docs/protocol.md.',
        license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
      },
      tags: [
        { name: 'nodes', description: 'Who is connected.' },
        { name: 'links', description: `WebSockets of the subprotocol ${subprotocol}.` },
        {
          name: 'health',
          description: 'For load balancers, monitoring and programmers; no token is needed.',
        },
      ],
      paths: servesMetrics ? metricsPaths : {},
      components: {
        securitySchemes: {
          token: {
            type: 'http',
            scheme: 'bearer',
            bearerFormat: 'JWT',
            description: 'A dial token, or an agent token where a link of an agent is opened.',
          },
          certificate: clientCertificate,
        },
      },
    },
  });
}

function json(description: string, schema: Parameters<typeof resolver>[0]) {
  return { description, content: { 'application/json': { schema: resolver(schema) } } };
}

/** Answers of the table of refusals, those that share a status as one. */
function refusals(...more: RefusalReason[]): Responses {
  return answersFor([...always, ...more]);
}

function answersFor(reasons: readonly RefusalReason[]): Responses {
  const byStatus = new Map<number, Set<string>>([[500, new Set(['ERR_CLOSED'])]]);
  for (const reason of reasons) {
    const { status, code } = refusalKinds[reason];
    byStatus.set(status, (byStatus.get(status) ?? new Set()).add(code));
  }
  return Object.fromEntries(
    [...byStatus].map(([status, codes]) => [status, json([...codes].sort().join(' or '), errorSchema)]),
  );
}

function upgrade(...more: RefusalReason[]): Responses {
  return {
    101: {
      description: `The link is open: binary messages of ${subprotocol} from here on, the broker's HELLO first.`,
      headers: {
        'Sec-WebSocket-Protocol': { schema: { type: 'string', const: subprotocol } as object },
      },
    },
    ...answersFor([
      ...always,
      ...(['bad-request', 'draining', 'not-an-upgrade', 'upgrade-timeout', 'overloaded'] as const),
      ...(['address-limit'] as const),
      ...more,
    ]),
  };
}

/** Each field of a query that is checked, as it is checked. */
function queryParameters<Shape extends Readonly<Record<string, z.ZodType>>>(
  shape: Shape,
  descriptions: { readonly [Name in keyof Shape]: string },
): NonNullable<Spec['parameters']> {
  return Object.entries(shape).map(([name, field]) => {
    const { $schema, ...schema } = z.toJSONSchema(field, { io: 'input', unrepresentable: 'any' });
    const required = !field.safeParse(undefined).success;
    return { name, in: 'query', required, description: descriptions[name] ?? '', schema: schema as object };
  });
}
