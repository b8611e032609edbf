// Addresses as they are written on the command line. Must accept an IPv6 address only in brackets, where
// a port follows it: without them "::1:22" has two readings.

import { isIPv6 } from 'node:net';
import { resolve } from 'node:path';
import { InvalidArgumentError } from 'commander';
import { isHost } from '../link/host.ts';
import { foreignPath, isPipePath, longestSocketPath, socketPort } from '../link/socket-path.ts';

export interface HostPort {
  readonly host: string;
  readonly port: number;
}

/** Where a UNIX socket is to be made: absolute. */
export interface SocketPath {
  readonly path: string;
}

export interface ForwardSpec {
  readonly bind: HostPort | SocketPath;
  readonly node: string;
  readonly target: HostPort;
}

/** Node names are as in tokens and URLs (docs/protocol.md): what DNS would take, in lower case. */
const nodeName = /^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$/;

export function parseNode(text: string): string {
  if (!nodeName.test(text))
    throw new InvalidArgumentError(
      `A node name is lower-case letters, digits, ".", "_" and "-", such as "edge-1".`,
    );
  return text;
}

/** `HOST:PORT` of something to reach, or `unix:/PATH`. */
export function parseTarget(text: string): HostPort {
  if (text.startsWith('unix:')) return socketTarget(text);
  const parts = splitAddress(text);
  if (parts?.length !== 2) throw new InvalidArgumentError('Write HOST:PORT, such as "127.0.0.1:22".');
  return { host: hostOf(parts[0]), port: portOf(parts[1], 1) };
}

/** `[HOST:]PORT` to listen on; port 0 picks a free one. */
export function parseListen(text: string): HostPort {
  const parts = splitAddress(text);
  if (parts?.length === 1) return { host: '127.0.0.1', port: portOf(parts[0], 0) };
  if (parts?.length !== 2)
    throw new InvalidArgumentError('Write HOST:PORT, such as "127.0.0.1:8080" or "[::1]:8080".');
  return { host: hostOf(parts[0]), port: portOf(parts[1], 0) };
}

function socketTarget(text: string): HostPort {
  if (!/^unix:\/[^\0]{1,106}$/.test(text) && !isPipePath(text.slice('unix:'.length)))
    throw new InvalidArgumentError(
      String.raw`Write unix:/PATH, absolute, of at most 107 bytes; for a node with Windows unix:\\.\pipe\NAME.`,
    );
  return { host: text, port: socketPort };
}

/** `unix:PATH` to listen at; on Windows `unix:\\.\pipe\NAME`. */
export function parseSocketListen(text: string, platform: NodeJS.Platform = process.platform): SocketPath {
  const written = text.slice('unix:'.length);
  const foreign = foreignPath(written, platform);
  if (foreign !== undefined)
    throw new InvalidArgumentError(`"${written}" cannot be listened at: ${foreign}.`);
  if (isPipePath(written)) return { path: written };
  // The file is removed by its path when the process ends, wherever it is then.
  const path = resolve(written);
  if (text === 'unix:' || text.includes('\0') || Buffer.byteLength(path) > longestSocketPath)
    throw new InvalidArgumentError(`Write unix:PATH, with a path of at most ${longestSocketPath} bytes.`);
  return { path };
}

/** `[BIND:]PORT:NODE:HOST:PORT`, or `[BIND:]PORT:NODE:unix:/PATH`; or `unix:PATH` in the place of `[BIND:]PORT`. */
export function parseForward(text: string): ForwardSpec {
  const [, local, far = ''] = /^(unix:[^:]*):(.*)$/s.exec(text) ?? [];
  if (local !== undefined) return { ...parseForwardSocket(far), bind: parseSocketListen(local) };
  const [, before = '', socket] = /^(.*?):(unix:.*)$/.exec(text) ?? [];
  if (socket !== undefined) {
    const spec = parseForward(`${before}:localhost:${socketPort}`);
    return { ...spec, target: socketTarget(socket) };
  }
  const parts = splitAddress(text) ?? [];
  if (parts.length === 4) parts.unshift('127.0.0.1');
  const [bind, port, node, host, hostPort] = parts;
  if (parts.length !== 5 || node === undefined)
    throw new InvalidArgumentError(
      'Write [BIND:]PORT:NODE:HOST:PORT, such as "8022:edge-1:127.0.0.1:22"; IPv6 goes in brackets.',
    );
  return {
    bind: { host: hostOf(bind), port: portOf(port, 0) },
    node: parseNode(node),
    target: { host: hostOf(host), port: portOf(hostPort, 1) },
  };
}

/** `NODE:HOST:PORT` or `NODE:unix:/PATH`, behind a local UNIX socket. */
function parseForwardSocket(text: string): Omit<ForwardSpec, 'bind'> {
  const colon = text.indexOf(':');
  if (colon < 1)
    throw new InvalidArgumentError(
      'Write unix:PATH:NODE:HOST:PORT, such as "unix:db.sock:edge-1:127.0.0.1:5432"; the path has no colon.',
    );
  return { node: parseNode(text.slice(0, colon)), target: parseTarget(text.slice(colon + 1)) };
}

/** `[BIND:]PORT=NODE:HOST:PORT`, as an agent's listeners are written. */
export function parseReverse(text: string): ForwardSpec {
  const [here = '', there = '', ...more] = text.split('=');
  const [node, host, port, ...rest] = splitAddress(there) ?? [];
  if (more.length > 0 || rest.length > 0 || here === '' || node === undefined || port === undefined)
    throw new InvalidArgumentError(
      'Write [BIND:]PORT=NODE:HOST:PORT, such as "6443=control-plane:127.0.0.1:6443"; IPv6 goes in brackets.',
    );
  return {
    bind: parseListen(here),
    node: parseNode(node),
    target: { host: hostOf(host), port: portOf(port, 1) },
  };
}

export function formatAddress(host: string, port: number): string {
  if (host.startsWith('unix:')) return host;
  return isIPv6(host) ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The parts between colons that are not in brackets, or undefined where brackets do not match. */
function splitAddress(text: string): string[] | undefined {
  const parts = text.match(/\[[^\]]*\]|[^:[\]]+/g) ?? [];
  return parts.join(':') === text ? parts : undefined;
}

function hostOf(text: string | undefined): string {
  const bracketed = /^\[(.*)\]$/.exec(text ?? '')?.[1];
  if (bracketed !== undefined) {
    if (!isIPv6(bracketed)) throw new InvalidArgumentError(`"${bracketed}" is not an IPv6 address.`);
    return bracketed;
  }
  const host = text ?? '';
  if (!isHost(host)) throw new InvalidArgumentError(`"${host}" is neither a host name nor an address.`);
  return host;
}

function portOf(text: string | undefined, lowest: number): number {
  const port = /^\d{1,5}$/.test(text ?? '') ? Number(text) : Number.NaN;
  if (!(port >= lowest && port <= 65_535))
    throw new InvalidArgumentError(`"${text}" is not a port from ${lowest} to 65535.`);
  return port;
}
