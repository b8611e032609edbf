// What a target says of its own paths, made true for those who see them under the proxy's. Only header fields:
// bodies pass byte for byte.

import type { ProxyPath } from './proxy-path.ts';

/**
 * A `Location` as it leads back through the proxy: absolute paths, and URLs of the target itself, get the prefix.
 * Relative ones are right as they are; those of other hosts are the target's word, and stay.
 */
export function locationThroughProxy(location: string, path: ProxyPath): string {
  const url = /^(?:(https?):)?\/\/([^/?#]*)(.*)$/i.exec(location);
  if (url === null) return location.startsWith('/') ? path.prefix + location : location;
  const [, scheme = path.scheme, authority = '', rest = ''] = url;
  const isTarget =
    scheme.toLowerCase() === path.scheme &&
    withPort(authority.toLowerCase(), path.scheme) === path.where.toLowerCase();
  if (!isTarget) return location;
  return path.prefix + (rest.startsWith('/') ? rest : `/${rest}`);
}

/**
 * A `Set-Cookie` that stays with its target: its path gets the prefix, its domain goes. As it was, a cookie for "/"
 * would be shown to every target that is reached through this gateway.
 */
export function cookieThroughProxy(cookie: string, path: ProxyPath): string {
  const [pair = '', ...attributes] = cookie.split(';');
  const kept = [pair];
  for (const attribute of attributes) {
    const [, name = '', value = ''] = /^\s*([^=]*?)\s*(?:=\s*(.*?)\s*)?$/.exec(attribute) ?? [];
    const key = name.toLowerCase();
    if (key === 'domain' || key === 'path') {
      // RFC 6265 §5.2.4: a path that does not begin with "/" is as none.
      if (key === 'path' && value.startsWith('/')) kept.push(` ${name}=${path.prefix}${value}`);
      continue;
    }
    kept.push(attribute);
  }
  return kept.join(';');
}

function withPort(authority: string, scheme: 'http' | 'https'): string {
  return /:\d+$/.test(authority.replace(/^\[[^\]]*\]/, ''))
    ? authority
    : `${authority}:${scheme === 'https' ? 443 : 80}`;
}
