// Reads `/proxy/nodes/[https:]NODE[:PORT]/…` and `/proxy/hosts/[https:]HOST:PORT/…`. What comes after belongs to the
// target: it must be neither decoded nor tidied, so that "..", "%2F" and "//" arrive as they were sent.

import { isIPv6 } from 'node:net';
import { parseAuthority } from '../authority.ts';
import type { GatewayTarget } from '../target-dialer.ts';
import { RequestRefused } from './request-refused.ts';

export interface ProxyPath {
  readonly target: GatewayTarget;
  readonly scheme: 'http' | 'https';
  /** `HOST:PORT`, IPv6 in brackets: the target's name in messages. */
  readonly where: string;
  /** The path up to where the target's own begins, as it came, without the slash between them. */
  readonly prefix: string;
  /** Path and query for the target, as they came; begins with "/". */
  readonly rest: string;
  /** Nothing came after the target's name, not even a slash: relative links would lead nowhere. */
  readonly lacksSlash: boolean;
}

const defaultPorts = { http: 80, https: 443 } as const;

/** As in tokens and URLs: what DNS would take, in lower case. */
const nodeName = /^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$/;

/**
 * @param url the request target, as it stood in the request line
 * @throws RequestRefused 404 where the path is none of these, 400 (or FairleadError ERR_CONFIG) where it names no target
 */
export function parseProxyPath(url: string): ProxyPath {
  const match = /^\/proxy\/(nodes|hosts)\/([^/?#]*)(.*)$/.exec(url);
  if (match === null) throw refuseOtherPath(url);
  const [, kind = '', written = '', after = ''] = match;
  const { scheme, name, port } = kind === 'nodes' ? parseNode(written) : parseHost(written);
  const lacksSlash = !after.startsWith('/');
  return {
    target: kind === 'nodes' ? { node: name, host: name, port } : { host: name, port },
    scheme,
    where: isIPv6(name) ? `[${name}]:${port}` : `${name}:${port}`,
    prefix: `/proxy/${kind}/${written}`,
    rest: lacksSlash ? `/${after}` : after,
    lacksSlash,
  };
}

function refuseOtherPath(url: string): RequestRefused {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(url))
    return new RequestRefused(
      400,
      'ERR_CONFIG',
      "this is no forward proxy: ask for /proxy/hosts/HOST:PORT/…, or use the gateway's --http-connect listener",
    );
  return new RequestRefused(
    404,
    'ERR_CONFIG',
    'paths here are /proxy/nodes/[https:]NODE[:PORT]/… and /proxy/hosts/[https:]HOST:PORT/…',
  );
}

interface Named {
  readonly scheme: 'http' | 'https';
  readonly name: string;
  readonly port: number;
}

function parseNode(written: string): Named {
  const { scheme, parts } = split(written);
  // "NODE:" is "NODE", as the API server has it.
  const [name = '', port = ''] = parts;
  if (parts.length > 2 || !nodeName.test(name))
    throw malformed('write /proxy/nodes/[https:]NODE[:PORT]/…, NODE in lower case');
  return { scheme, name, port: port === '' ? defaultPorts[scheme] : portOf(port) };
}

function parseHost(written: string): Named {
  const { scheme, parts } = split(written);
  const { host, port } = parseAuthority(parts.join(':'));
  return { scheme, name: host, port };
}

/** What stands between colons that are not in brackets. */
function split(written: string): { scheme: 'http' | 'https'; parts: string[] } {
  let text: string;
  try {
    // Tools write ":" and "[" as they like; nothing that decoding could bring in gets past the checks of the parts.
    text = decodeURIComponent(written);
  } catch {
    throw malformed('its percent-encoding is broken');
  }
  const parts = text.split(/:(?![^[]*\])/);
  if (parts.length > 1 && (parts[0] === 'http' || parts[0] === 'https'))
    return { scheme: parts[0], parts: parts.slice(1) };
  return { scheme: 'http', parts };
}

function portOf(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw malformed('its port is not 1 to 65535');
  return port;
}

function malformed(why: string): RequestRefused {
  return new RequestRefused(400, 'ERR_CONFIG', `the path names no target: ${why}`);
}
