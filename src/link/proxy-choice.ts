// Which HTTP proxy is used on the way to a URL, and why: what was given, else what the environment names.
// Must never show what a proxy's URL holds of a user or a password.

import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { FairleadError } from '../protocol/errors.ts';
import { isLoopback } from './loopback.ts';

export interface ProxyChoice {
  /** Undefined: directly. */
  readonly proxy: URL | undefined;
  /** For people: "HTTPS_PROXY names it", "NO_PROXY has example.com". */
  readonly because: string;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * @param given what the user has said for this very purpose: `''` means directly, whatever the environment names
 * @throws FairleadError ERR_CONFIG where what is named is no URL of an HTTP proxy
 */
export function chooseProxy(to: URL, given: string | undefined, env: Environment): ProxyChoice {
  if (given === '') return { proxy: undefined, because: 'no proxy is wanted' };
  if (given !== undefined) return { proxy: proxyUrl(given, 'the proxy'), because: 'it was given' };
  // What listens on this machine is this machine's, which a proxy would look for on its own.
  if (isLoopback(to.hostname)) return { proxy: undefined, because: 'it is on this machine' };
  const isSecure = to.protocol === 'wss:' || to.protocol === 'https:';
  const named =
    ofEnvironment(env, isSecure ? 'https_proxy' : 'http_proxy') ?? ofEnvironment(env, 'all_proxy');
  if (named === undefined) return { proxy: undefined, because: 'the environment names none' };
  const exception = exceptionFor(to, ofEnvironment(env, 'no_proxy')?.text ?? '');
  if (exception !== undefined) return { proxy: undefined, because: `NO_PROXY has "${exception}"` };
  return { proxy: proxyUrl(named.text, named.name), because: `${named.name} names it` };
}

/** `http://HOST:PORT`, and nothing secret. */
export function proxyName({ protocol, host }: URL): string {
  return `${protocol}//${host}`;
}

/** In lower case first, as curl has it. */
function ofEnvironment(env: Environment, name: string): { name: string; text: string } | undefined {
  for (const spelled of [name, name.toUpperCase()]) {
    const text = env[spelled]?.trim();
    if (text !== undefined && text !== '') return { name: spelled, text };
  }
  return undefined;
}

function proxyUrl(text: string, source: string): URL {
  const wrong = (why: string) =>
    new FairleadError(
      'ERR_CONFIG',
      `${source} is no URL of an HTTP proxy: ${why}, such as http://proxy:3128`,
    );
  let url: URL;
  try {
    // curl takes a bare host and port, too.
    url = new URL(/^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`);
    decodeURIComponent(url.username + url.password);
  } catch {
    throw wrong('write http://HOST:PORT, with "%" and "@" in a password as %25 and %40');
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:')
    throw wrong(`it begins with ${url.protocol}//, and only http:// and https:// are spoken`);
  if (url.hostname === '') throw wrong('it names no host');
  return url;
}

/** The entry of NO_PROXY that names `to`: a host and all below it, an address, a CIDR, `*`; each may have a port. */
function exceptionFor(to: URL, list: string): string | undefined {
  const host = bare(to.hostname.toLowerCase());
  const port = to.port || (to.protocol === 'wss:' || to.protocol === 'https:' ? '443' : '80');
  return list
    .split(/[\s,]+/)
    .filter((entry) => entry !== '')
    .find((entry) => {
      const [name, only] = splitPort(entry.toLowerCase());
      return (only === undefined || only === port) && names(name, host);
    });
}

function names(entry: string, host: string): boolean {
  if (entry === '*') return true;
  if (isIP(host) !== 0) {
    if (isIP(entry) !== 0) return ipaddr.process(entry).toString() === ipaddr.process(host).toString();
    if (!ipaddr.isValidCIDR(entry)) return false;
    const range = ipaddr.parseCIDR(entry);
    const address = ipaddr.process(host);
    return address.kind() === range[0].kind() && address.match(range);
  }
  const name = entry.replace(/^\*?\./, '');
  return name !== '' && (host === name || host.endsWith(`.${name}`));
}

function splitPort(entry: string): [string, string | undefined] {
  const [, inBrackets, after] = /^\[([^\]]*)\](?::(\d+))?$/.exec(entry) ?? [];
  if (inBrackets !== undefined) return [inBrackets, after];
  const [, name, port] = /^([^:]+):(\d+)$/.exec(entry) ?? [];
  return name === undefined ? [entry, undefined] : [name, port];
}

function bare(hostname: string): string {
  return hostname.replace(/^\[|\]$/g, '').replace(/\.$/, '');
}
