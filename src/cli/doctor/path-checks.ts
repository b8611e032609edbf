// The way to the broker, from the name to TLS: each step by itself, so that the one that fails is known.

import { lookup } from 'node:dns/promises';
import { connect as connectTcp, isIP } from 'node:net';
import { connect as connectTls, type PeerCertificate, type TLSSocket } from 'node:tls';
import { unreachable } from '../../link/unreachable.ts';
import { formatAddress } from '../address.ts';
import { formatSpan } from '../age.ts';
import { type Finding, fail, ok, skip, warn } from './check.ts';
import { type Examination, firstHop, hostOf, openWay, portOf, tlsOptions } from './examination.ts';

/** More addresses than these are not tried. */
const maxAddresses = 8;
const daySeconds = 86_400;

export async function checkDns(examination: Examination): Promise<Finding> {
  const hop = firstHop(examination);
  const host = hostOf(hop);
  const flag = hop.isProxy ? 'the proxy is named' : '--broker spells it';
  if (isIP(host) !== 0) return skip(`${host} is an address: there is nothing to look up`);
  try {
    const addresses = await within(examination.timeoutMs, lookup(host, { all: true }));
    return ok(`${host} is ${addresses.map(({ address }) => address).join(', ')}`);
  } catch (error) {
    const code = codeOf(error);
    if (code === 'ENOTFOUND')
      return fail(
        `there is no address for the name "${host}"`,
        `check how ${flag}, and whether this machine asks the right DNS server (/etc/resolv.conf)`,
      );
    return fail(
      `the name "${host}" cannot be looked up: ${code === 'EAI_AGAIN' ? 'no DNS server answers' : messageOf(error)}`,
      "check this machine's network and its DNS servers (/etc/resolv.conf)",
    );
  }
}

export async function checkTcp(examination: Examination): Promise<Finding> {
  const hop = firstHop(examination);
  const host = hostOf(hop);
  const port = portOf(hop);
  const addresses = await within(examination.timeoutMs, lookup(host, { all: true }));
  const attempts = await Promise.all(
    addresses.slice(0, maxAddresses).map(async ({ address }) => {
      const name = formatAddress(address, port);
      const sinceMs = performance.now();
      const error = await tryTcp(address, port, examination.timeoutMs);
      return { name, error, tookMs: performance.now() - sinceMs };
    }),
  );
  const good = attempts.filter(({ error }) => error === undefined);
  const bad = attempts.filter(({ error }) => error !== undefined);
  const said = bad.map(({ name, error }) => `${name}: ${reasonOf(error)}`).join('; ');
  if (good.length === 0) return fail(said, adviceOn(codeOf(bad[0]?.error)));
  const connected = good.map(({ name, tookMs }) => `${name} in ${tookMs.toFixed(1)} ms`).join(', ');
  if (bad.length === 0) return ok(`connected to ${hop.isProxy ? 'the proxy at ' : ''}${connected}`);
  return warn(
    `connected to ${connected}, but not to ${said}`,
    'correct the DNS record or that address: a connection may try it first',
  );
}

export async function checkTls(examination: Examination): Promise<Finding> {
  const { url } = examination;
  if (url.protocol === 'ws:') return skip('ws:// is not encrypted');
  let socket: TLSSocket;
  try {
    socket = await openTls(examination);
  } catch (error) {
    const found = unreachable(error, url.host).message;
    if (/does not speak TLS/.test(found))
      return fail(found, 'correct the port in --broker, or start the broker with --tls-cert and --tls-key');
    return fail(
      `the TLS handshake with ${url.host} failed: ${messageOf(error)}`,
      'see the log of the broker, or of what ends TLS in front of it',
    );
  }
  const certificate = socket.getPeerCertificate();
  const version = socket.getProtocol();
  const problem = socket.authorizationError;
  socket.destroy();
  if (problem !== null && problem !== undefined) {
    const error = Object.assign(problem instanceof Error ? problem : new Error(String(problem)), {
      cert: certificate,
    });
    if (!('code' in error)) Object.assign(error, { code: String(problem) });
    return fail(
      `${unreachable(error, url.host).message} (${shown(certificate)})`,
      adviceOnCertificate(codeOf(error)),
    );
  }
  const [from, to] = [Date.parse(certificate.valid_from), Date.parse(certificate.valid_to)];
  const left = (to - Date.now()) / 1000;
  const found = `${version}; a certificate ${shown(certificate)}, good for another ${formatSpan(left)}`;
  // Short-lived certificates are renewed late, long-lived ones by hand.
  const isShort = left < Math.min(14 * daySeconds, (to - from) / 10_000);
  return isShort ? warn(found, "renew the broker's certificate soon") : ok(found);
}

/** Unverified: what is wrong is for the check to say. Nothing is sent. */
async function openTls(examination: Examination): Promise<TLSSocket> {
  const host = hostOf(examination);
  const tunnel = await openWay(examination);
  return await new Promise((resolve, reject) => {
    const socket = connectTls({
      ...(tunnel === undefined ? {} : { socket: tunnel }),
      host,
      port: portOf(examination),
      // RFC 6066 §3: an address is no server name.
      ...(isIP(host) === 0 ? { servername: host } : {}),
      ...tlsOptions(examination),
      rejectUnauthorized: false,
      ALPNProtocols: ['http/1.1'],
      timeout: examination.timeoutMs,
    });
    socket.once('error', reject);
    socket.once('timeout', () => socket.destroy(new Error('it did not finish in time')));
    socket.once('secureConnect', () => {
      socket.setTimeout(0);
      resolve(socket);
      // A server that wants another certificate says so after the handshake.
      socket.on('error', () => {});
    });
  });
}

function tryTcp(address: string, port: number, timeoutMs: number): Promise<Error | undefined> {
  return new Promise((resolve) => {
    const socket = connectTcp({ host: address, port, timeout: timeoutMs });
    socket.once('connect', () => resolve(undefined));
    socket.once('error', resolve);
    socket.once('timeout', () => resolve(Object.assign(new Error('no answer'), { code: 'ETIMEDOUT' })));
    for (const event of ['connect', 'timeout']) socket.once(event, () => socket.destroy());
  });
}

async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('no answer in time')), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

function reasonOf(error: unknown): string {
  switch (codeOf(error)) {
    case 'ECONNREFUSED':
      return 'connection refused';
    case 'ETIMEDOUT':
      return 'no answer';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return 'no way there';
    default:
      return messageOf(error);
  }
}

function adviceOn(code: string): string {
  switch (code) {
    case 'ECONNREFUSED':
      return 'nothing listens there: start the broker, or correct host and port in --broker';
    case 'ETIMEDOUT':
      return 'a firewall may drop it: let this machine connect to that port';
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return "this machine has no route to that address: check its network, and whether it has that address's family (IPv4 or IPv6)";
    default:
      return "check this machine's network";
  }
}

function adviceOnCertificate(code: string): string {
  if (code === 'CERT_HAS_EXPIRED')
    return "renew the broker's certificate; if it is new, set this machine's clock";
  if (code === 'CERT_NOT_YET_VALID') return "set this machine's clock";
  if (code === 'INVALID_PURPOSE')
    return 'give the broker a certificate for servers (extended key usage "serverAuth")';
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID')
    return 'name the broker as its certificate does, or give it a certificate for this name';
  return "give --ca the certificate of the broker's authority; where a company's proxy opens TLS, that proxy's";
}

/** For whom and by whom. */
function shown({ subjectaltname, subject, issuer }: PeerCertificate): string {
  const names = subjectaltname ?? subject?.CN ?? 'nobody';
  return `for ${bounded(String(names))} by ${bounded(String(issuer?.O ?? issuer?.CN ?? 'nobody'))}`;
}

function bounded(text: string): string {
  return text.length <= 120 ? text : `${text.slice(0, 120)}…`;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error && error.message !== '' ? error.message : codeOf(error) || String(error);
}
