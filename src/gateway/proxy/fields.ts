// Which header fields cross the gateway, and which it writes itself. Must never let a sender's framing, or what was
// meant for this hop only, reach the other side.

import type { IncomingMessage } from 'node:http';
import { requestIdHeader } from '../../protocol/dial-mark.ts';
import type { ProxyPath } from './proxy-path.ts';
import { RequestRefused } from './request-refused.ts';
import { cookieThroughProxy, locationThroughProxy } from './rewriting.ts';

/** Name, value, name, value …, as they came. */
export type Fields = readonly string[];

/** How a message's end is known (RFC 9112 §6). */
export type Framing =
  | { readonly kind: 'none' }
  | { readonly kind: 'length'; readonly bytes: string }
  | { readonly kind: 'chunked' };

/** RFC 9110 §7.6.1, and what RFC 9112 §9.3 and custom add; besides these, what `Connection` names. */
const hopByHop: ReadonlySet<string> = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-authentication-info',
  'proxy-authorization',
  'proxy-connection',
  'te',
  'transfer-encoding',
  'upgrade',
  'http2-settings',
]);

/** The gateway says these of a request itself: whoever sent them could be anyone. */
const saidByGateway: ReadonlySet<string> = new Set([
  'host',
  'content-length',
  'forwarded',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-prefix',
  'x-forwarded-proto',
  'x-real-ip',
]);

/** They speak for the origin that the target is, and would be taken for the gateway's. */
const aboutOrigin: ReadonlySet<string> = new Set(['alt-svc', 'strict-transport-security', 'content-length']);

export function* eachField(fields: Fields): Generator<readonly [name: string, value: string]> {
  for (let i = 0; i + 1 < fields.length; i += 2) yield [fields[i] ?? '', fields[i + 1] ?? ''];
}

export function valuesOf(fields: Fields, name: string): string[] {
  const values: string[] = [];
  for (const [candidate, value] of eachField(fields))
    if (candidate.toLowerCase() === name) values.push(value);
  return values;
}

/**
 * The framing that a message came with.
 *
 * @throws RequestRefused 400 or 501 where it has two readings or one that cannot be passed on: two readings are how
 *   requests are smuggled
 */
export function framingOf(message: Pick<IncomingMessage, 'rawHeaders' | 'httpVersion'>): Framing {
  const lengths = valuesOf(message.rawHeaders, 'content-length');
  const codings = valuesOf(message.rawHeaders, 'transfer-encoding');
  if (codings.length > 0) {
    if (lengths.length > 0)
      throw new RequestRefused(
        400,
        'ERR_PROTOCOL',
        'Content-Length and Transfer-Encoding contradict each other',
      );
    // RFC 9112 §6.1: in HTTP/1.0 the field means nothing, or is an attack.
    if (message.httpVersion !== '1.1')
      throw new RequestRefused(400, 'ERR_PROTOCOL', 'Transfer-Encoding is of HTTP/1.1 only');
    if (codings.length > 1 || codings[0]?.toLowerCase() !== 'chunked')
      throw new RequestRefused(501, 'ERR_PROTOCOL', 'no Transfer-Encoding but "chunked" can be passed on');
    return { kind: 'chunked' };
  }
  const [length] = lengths;
  if (length === undefined) return { kind: 'none' };
  if (lengths.length > 1 || !/^\d+$/.test(length))
    throw new RequestRefused(400, 'ERR_PROTOCOL', 'Content-Length is not one number');
  return { kind: 'length', bytes: length };
}

export interface RequestFacts {
  readonly path: ProxyPath;
  readonly framing: Framing;
  /** The protocol to switch to, where the request asks for it. */
  readonly upgrade: string | undefined;
  /** How the client reached the gateway. */
  readonly proto: 'http' | 'https';
  /** The client's own `Authorization` was for the gateway. */
  readonly authorizationIsOurs: boolean;
  /** Bearer token for the target, where the client brought nothing of its own. */
  readonly token: string | undefined;
}

/** The fields with which the target is asked. */
export function requestFields(request: IncomingMessage, facts: RequestFacts): string[] {
  const { path, framing, upgrade } = facts;
  const listed = connectionOptions(request.rawHeaders);
  const out = ['Host', hostField(path)];
  let via = '';
  let isAuthorized = false;
  for (const [name, value] of eachField(request.rawHeaders)) {
    const key = name.toLowerCase();
    if (hopByHop.has(key) || listed.has(key) || saidByGateway.has(key)) continue;
    // RFC 9110 §10.1.1: HTTP/1.0 cannot hear "100 Continue", so it expects nothing.
    if (key === 'expect' && request.httpVersion !== '1.1') continue;
    if (key === 'authorization') {
      if (facts.authorizationIsOurs) continue;
      isAuthorized = true;
    }
    if (key === 'via') via += `${value}, `;
    else out.push(name, value);
  }
  if (facts.token !== undefined && !isAuthorized) out.push('Authorization', `Bearer ${facts.token}`);
  // RFC 9110 §7.6.3: a gateway says that it was on the way there; it need not on the way back.
  out.push('Via', `${via}${request.httpVersion} fairlead`);
  const [host] = valuesOf(request.rawHeaders, 'host');
  if (host !== undefined) out.push('X-Forwarded-Host', host);
  out.push('X-Forwarded-Proto', facts.proto, 'X-Forwarded-Prefix', path.prefix);
  if (framing.kind === 'length') out.push('Content-Length', framing.bytes);
  else if (framing.kind === 'chunked') out.push('Transfer-Encoding', 'chunked');
  // RFC 9110 §8.6: those methods that could have a body say that there is none.
  else if (!['GET', 'HEAD', 'DELETE', 'OPTIONS'].includes(request.method ?? ''))
    out.push('Content-Length', '0');
  // Never "close": a target that closes while a body is still coming to it resets, and its answer may be lost. Where
  // the connection serves one request only, it is closed from here.
  if (upgrade !== undefined) out.push('Connection', 'Upgrade', 'Upgrade', upgrade);
  // RFC 9110 §10.1.4: trailers are passed on, so the target may be told; the field is for one hop at a time.
  else if (wantsTrailers(request)) out.push('TE', 'trailers', 'Connection', 'keep-alive, TE');
  else out.push('Connection', 'keep-alive');
  return out;
}

export interface ResponseFacts {
  readonly path: ProxyPath;
  readonly framing: Framing;
  /** By method, status and the client's version, chunks may follow. */
  readonly mayBeChunked: boolean;
  /** The connection is of no use after this response. */
  readonly closes: boolean;
}

/** The fields with which the client is answered. */
export function responseFields(incoming: IncomingMessage, facts: ResponseFacts): string[] {
  const { path, framing } = facts;
  const listed = connectionOptions(incoming.rawHeaders);
  const isChunked = facts.mayBeChunked && framing.kind === 'chunked';
  const connection = facts.closes ? ['close'] : [];
  const out: string[] = [];
  for (const [name, value] of eachField(incoming.rawHeaders)) {
    const key = name.toLowerCase();
    // RFC 9110 §15.5.22: without it the status says nothing.
    if (key === 'upgrade' && (incoming.statusCode === 426 || incoming.statusCode === 101)) {
      connection.push('Upgrade');
      out.push(name, value);
    }
    if (hopByHop.has(key) || listed.has(key) || aboutOrigin.has(key)) continue;
    if (key === 'trailer' && !isChunked) continue;
    if (key === 'location' || key === 'content-location') out.push(name, locationThroughProxy(value, path));
    else if (key === 'set-cookie') out.push(name, cookieThroughProxy(value, path));
    else out.push(name, value);
  }
  if (isChunked) out.push('Transfer-Encoding', 'chunked');
  // RFC 9110 §8.6: neither of these statuses has one.
  else if (framing.kind === 'length' && incoming.statusCode !== 101 && incoming.statusCode !== 204)
    out.push('Content-Length', framing.bytes);
  if (connection.length > 0) out.push('Connection', connection.join(', '));
  // A target that has ids of its own has said one.
  const { id } = path.target;
  if (id !== undefined && valuesOf(out, requestIdHeader).length === 0) out.push('X-Request-Id', id);
  return out;
}

/** Trailers as pairs, without those that would frame, route or authorise (RFC 9110 §6.5.1). */
export function trailerFields(rawTrailers: Fields): [string, string][] {
  const out: [string, string][] = [];
  for (const [name, value] of eachField(rawTrailers)) {
    const key = name.toLowerCase();
    if (hopByHop.has(key) || saidByGateway.has(key) || aboutOrigin.has(key) || neverTrailer.has(key))
      continue;
    out.push([name, value]);
  }
  return out;
}

const neverTrailer: ReadonlySet<string> = new Set([
  'authorization',
  'content-encoding',
  'content-range',
  'content-type',
  'cookie',
  'location',
  'set-cookie',
  'trailer',
]);

/** What `Connection` names. Framing is read from the parser's view, so that naming `Content-Length` changes nothing. */
function connectionOptions(fields: Fields): ReadonlySet<string> {
  const names = new Set<string>();
  for (const value of valuesOf(fields, 'connection'))
    for (const name of value.split(',')) names.add(name.trim().toLowerCase());
  return names;
}

function wantsTrailers(request: IncomingMessage): boolean {
  return valuesOf(request.rawHeaders, 'te').some((value) => /(^|,)\s*trailers\s*($|,)/i.test(value));
}

/** RFC 9110 §7.2: the default port goes without saying. */
function hostField({ scheme, where }: ProxyPath): string {
  return where.replace(scheme === 'https' ? /:443$/ : /:80$/, '');
}
