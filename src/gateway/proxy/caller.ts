// Who may use the proxy paths. A listener is trusted by where it is (loopback, a socket file, mutual TLS); what is
// looked for here is a browser that a web page drives through it. Pages of all targets would share one origin, so no
// page may: browsers go through SOCKS5 or CONNECT, where each target is an origin of its own.

import type { IncomingMessage } from 'node:http';
import { isIPv4 } from 'node:net';
import type { GatewayAddress } from '../listener.ts';
import { valuesOf } from './fields.ts';
import { RequestRefused } from './request-refused.ts';

/** What guards a listener: that it is on loopback, a file's mode, client certificates. */
export type ListenerKind = GatewayAddress['kind'];

/** Whether what an `Authorization` field says is somebody who may. */
export type AcceptsBasic = (header: string | undefined) => boolean;

/**
 * @returns whether the request's `Authorization` was for the gateway, and so must not be passed on
 * @throws RequestRefused 400, 401, 403 or 421
 */
export function checkCaller(
  request: IncomingMessage,
  kind: ListenerKind,
  acceptsBasic?: AcceptsBasic,
): boolean {
  refusePages(request);
  const host = hostOf(request);
  // Browsers do not speak to socket files, and over TLS the certificate's name is checked before the first request.
  if (kind === 'tcp' && host !== undefined) refuseForeignHost(host);
  return acceptsBasic === undefined ? false : checkBasic(request, acceptsBasic);
}

function refusePages(request: IncomingMessage): void {
  const { headers } = request;
  // Fetch §3.2 and Fetch Metadata §2.4: every browser of the last years says one of the two, except where its user
  // typed the address ("none"); no script can take them off.
  const site = headers['sec-fetch-site'];
  if (headers.origin !== undefined || (site !== undefined && site !== 'none'))
    throw new RequestRefused(
      403,
      'ERR_FORBIDDEN',
      'web pages may not use the proxy paths: point the browser at --socks5 or --http-connect instead',
    );
}

/** RFC 9112 §3.2: exactly one, but for HTTP/1.0, which no browser speaks. */
function hostOf(request: IncomingMessage): string | undefined {
  const hosts = valuesOf(request.rawHeaders, 'host');
  if (hosts.length > 1 || (hosts.length === 0 && request.httpVersion === '1.1'))
    throw new RequestRefused(400, 'ERR_CONFIG', 'a request has one Host');
  return hosts[0];
}

/** A page can make its own name resolve to 127.0.0.1, and is then no longer foreign to the browser: its name is. */
function refuseForeignHost(host: string): void {
  const name = host.toLowerCase().replace(/:\d*$/, '');
  if (name === 'localhost' || name === '[::1]' || (isIPv4(name) && name.startsWith('127.'))) return;
  throw new RequestRefused(
    421,
    'ERR_FORBIDDEN',
    'this listener answers to localhost, 127.0.0.1 and [::1] only: another name may be a web page in disguise',
  );
}

/** `Proxy-Authorization` leaves `Authorization` to the target; else `Authorization` is taken, and is ours. */
function checkBasic(request: IncomingMessage, acceptsBasic: AcceptsBasic): boolean {
  const ofProxy = request.headers['proxy-authorization'];
  if (!acceptsBasic(ofProxy ?? request.headers.authorization))
    throw new RequestRefused(
      401,
      'ERR_UNAUTHORIZED',
      'the gateway wants a user and a password that it knows, as basic authentication',
    );
  return ofProxy === undefined;
}
