// Who may open a link, decided at the HTTP request: web standards in, an admission or a refusal out, the same
// on every engine.

import * as z from 'zod';
import { requestIdHeader, requestIdOf } from '../protocol/dial-mark.ts';
import { parseSession } from '../protocol/envelope.ts';
import { FairleadError } from '../protocol/errors.ts';
import { labelsSchema } from '../protocol/labels.ts';
import { grantsNode, nodeNameSchema } from './grants.ts';
import type { AgentIdentity, DialIdentity, Identity, VerifyToken } from './identity.ts';
import { grantsRoute, routesSchema } from './identity-routes.ts';
import { Refusal } from './refusal.ts';

/** The WebSocket subprotocol of every link. */
export const subprotocol = 'fairlead.v1';

/**
 * A page cannot set headers of a WebSocket: it offers its token as a second subprotocol, base64url-encoded after this, as
 * pages of Kubernetes' API server do.
 */
const tokenProtocol = 'base64url.bearer.authorization.fairlead.';

export const agentPath = '/v1/agent';
export const dialPath = '/v1/dial';

interface AgentAdmission {
  readonly identity: AgentIdentity;
  readonly instance: string;
  /** What the agent serves besides its node's name; its token grants each. */
  readonly routes: readonly string[];
  /** What the node's owner says of it. They grant nothing. */
  readonly labels: Readonly<Record<string, string>>;
  readonly version: string | undefined;
  readonly attempt: number;
}

interface DialAdmission {
  /** What the dial is known by that opened the link. */
  readonly request: string | undefined;
  readonly identity: DialIdentity;
  readonly node: string;
  /** 16 hexadecimal digits. */
  readonly session: string;
  /** The agent's instance that the session lives at, where the dialer knows it. */
  readonly instance: string | undefined;
  readonly version: string | undefined;
  readonly attempt: number;
}

export type Admission = AgentAdmission | DialAdmission;

/** Who a client certificate on the connection is for. @throws FairleadError ERR_UNAUTHORIZED */
export type Caller = () => Identity;

export interface Gate {
  /**
   * A token, where the request has one, is all that counts; else the certificate, where the engine saw one.
   *
   * @throws Refusal 401, or 503 while there are no keys to check with
   */
  authenticate(request: Request, caller?: Caller): Promise<Identity>;
  /** Decides about a request for {@link agentPath} or {@link dialPath}. @throws Refusal */
  authorizeUpgrade(request: Request, caller?: Caller): Promise<Admission>;
}

const instanceSchema = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/);
const versionSchema = z.string().regex(/^[\w.+-]{1,64}$/);

const attemptSchema = z
  .string()
  .regex(/^\d{1,9}$/)
  .transform(Number)
  .default(0);

/** Commas between them. All of it must fit where an engine keeps it with the link. */
const routesQuerySchema = z
  .string()
  .max(4096)
  .transform((text) => text.split(','))
  .pipe(routesSchema)
  .default([]);

/** `key=value` pairs, form-encoded within the parameter: `labels=site%3Dberlin%26rack%3Db-12`. */
const labelsQuerySchema = z
  .string()
  .max(4096)
  .transform((text, context) => {
    const pairs = [...new URLSearchParams(text)];
    const keys = new Set(pairs.map(([key]) => key));
    // Of zod's records this key is never seen.
    if (keys.size < pairs.length || keys.has('__proto__'))
      context.addIssue({ code: 'custom', message: 'a label is given twice, or is none' });
    return Object.fromEntries(pairs);
  })
  .pipe(labelsSchema)
  .default({});

export const agentQuerySchema = z.object({
  node: nodeNameSchema,
  instance: instanceSchema,
  routes: routesQuerySchema,
  labels: labelsQuerySchema,
  version: versionSchema.optional(),
  attempt: attemptSchema,
});

export const dialQuerySchema = z.object({
  node: nodeNameSchema,
  session: z.string().refine((text) => parseSession(text) !== undefined),
  instance: instanceSchema.optional(),
  version: versionSchema.optional(),
  attempt: attemptSchema,
});

export interface GateOptions {
  readonly isDraining: () => boolean;
  /** Sites whose pages may open dial links. */
  readonly allowOrigins: readonly string[];
}

export function createGate(verify: VerifyToken, { isDraining, allowOrigins }: GateOptions): Gate {
  async function authenticate(request: Request, caller?: Caller): Promise<Identity> {
    const authorization = request.headers.get('authorization');
    const token = /^bearer +([A-Za-z0-9._~+/=-]+) *$/i.exec(authorization ?? '')?.[1];
    if (token === undefined && (authorization !== null || caller === undefined))
      throw new Refusal('unauthorized', 'a token is needed: send "Authorization: Bearer …"');
    return await identify(async () => (token === undefined ? (caller as Caller)() : await verify(token)));
  }

  async function identify(work: () => Promise<Identity>): Promise<Identity> {
    try {
      return await work();
    } catch (error) {
      if (!(error instanceof FairleadError)) throw error;
      // Not the token's fault: its bearer may come back with it.
      const why = error.code === 'ERR_BROKER_UNREACHABLE' ? 'keys-away' : 'unauthorized';
      throw new Refusal(why, error.message);
    }
  }

  /** Who opens a link: by the token among the subprotocols, which is all that a page can show, or as anywhere. */
  async function authenticateUpgrade(request: Request, caller?: Caller): Promise<Identity> {
    const offered = offeredProtocols(request).filter((name) => name.startsWith(tokenProtocol));
    const isPage = request.headers.has('origin');
    // A browser shows a certificate by itself, whoever made the page: that alone is not the page's word.
    if (offered.length === 0 && isPage)
      throw new Refusal('unauthorized', `a page offers its token as the subprotocol "${tokenProtocol}…"`);
    if (offered.length === 0) return await authenticate(request, caller);
    if (offered.length > 1 || request.headers.has('authorization'))
      throw new Refusal('bad-request', 'an upgrade shows one token');
    const token = fromBase64url((offered[0] ?? '').slice(tokenProtocol.length));
    return await identify(() => verify(token));
  }

  async function authorizeUpgrade(request: Request, caller?: Caller): Promise<Admission> {
    const url = new URL(request.url);
    if (url.pathname !== agentPath && url.pathname !== dialPath)
      throw new Refusal('not-found', `links are opened at ${agentPath} and ${dialPath}`);
    if (isDraining())
      throw new Refusal('draining', 'this broker is shutting down: try another, or again soon');
    refuseStrangers(request.headers.get('origin'), url.pathname);
    const identity = await authenticateUpgrade(request, caller);
    if (!offersSubprotocol(request))
      throw new Refusal('bad-request', `offer the subprotocol "${subprotocol}"`);
    try {
      return url.pathname === agentPath ? admitAgent(identity, url) : admitDialer(identity, url, request);
    } catch (error) {
      if (error instanceof Refusal) error.principal = identity.principal;
      throw error;
    }
  }

  function refuseStrangers(origin: string | null, path: string): void {
    if (origin === null || (path === dialPath && allowOrigins.includes(origin))) return;
    const why =
      path === dialPath && allowOrigins.length > 0
        ? 'links are not for pages of this site: the broker allows others (--allow-origin)'
        : 'links are not for browsers: send no Origin header';
    throw new Refusal('origin', why);
  }

  return { authenticate, authorizeUpgrade };
}

function admitAgent(identity: Identity, url: URL): AgentAdmission {
  const query = parseQuery(agentQuerySchema, url);
  if (identity.kind !== 'agent')
    throw new Refusal('forbidden', 'this token is for dialing, not for an agent');
  if (identity.node !== query.node)
    throw new Refusal('forbidden', `this token is for the agent of another node, not of "${query.node}"`);
  for (const route of query.routes)
    if (!grantsRoute(identity.routes, route))
      throw new Refusal('forbidden', `this token does not grant the route "${route}"`);
  return {
    identity,
    instance: query.instance,
    routes: query.routes,
    labels: query.labels,
    version: query.version,
    attempt: query.attempt,
  };
}

function admitDialer(identity: Identity, url: URL, request: Request): DialAdmission {
  const query = parseQuery(dialQuerySchema, url);
  if (identity.kind !== 'dial') throw new Refusal('forbidden', 'this token is for an agent, not for dialing');
  if (!grantsNode(identity.nodes, query.node))
    throw new Refusal('forbidden', `this token does not grant the node "${query.node}"`);
  return {
    identity,
    request: requestIdOf(request.headers.get(requestIdHeader)),
    node: query.node,
    session: query.session,
    instance: query.instance,
    version: query.version,
    attempt: query.attempt,
  };
}

function parseQuery<Schema extends z.ZodType>(schema: Schema, url: URL): z.infer<Schema> {
  const query = new Map<string, string>();
  for (const [name, value] of url.searchParams) {
    if (query.has(name)) throw new Refusal('bad-request', 'a query parameter is given twice');
    query.set(name, value);
  }
  const parsed = schema.safeParse(Object.fromEntries(query));
  if (parsed.success) return parsed.data;
  const field = parsed.error.issues[0]?.path.join('.') ?? '';
  throw new Refusal('bad-request', `the query parameter "${field}" is missing or not valid`);
}

function offersSubprotocol(request: Request): boolean {
  return offeredProtocols(request).includes(subprotocol);
}

function offeredProtocols(request: Request): string[] {
  const offered = request.headers.get('sec-websocket-protocol') ?? '';
  return offered.split(',').map((name) => name.trim());
}

/** RFC 4648 §5, without padding. */
function fromBase64url(text: string): string {
  try {
    if (!/^[\w-]*$/.test(text)) throw new TypeError('not base64url');
    return atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  } catch {
    throw new Refusal('bad-request', 'the token among the subprotocols is not base64url');
  }
}
