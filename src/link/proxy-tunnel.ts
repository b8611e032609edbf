// A connection through an HTTP proxy (RFC 9110 §9.3.6, CONNECT). The proxy is shown its own user and password and
// nothing else: TLS to the broker begins inside.

import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { isIP, type Socket } from 'node:net';
import { FairleadError } from '../protocol/errors.ts';
import { certificateProblem } from '../tls/certificate-problem.ts';
import { now, type ProxyAccess } from './broker-access.ts';
import { withinDeadline } from './deadline.ts';
import { chooseProxy, proxyName } from './proxy-choice.ts';

/** More of a proxy's header than this is no answer. */
const maxHeaderBytes = 16_384;

/**
 * A connection to `to` through the proxy that is to be used; undefined where none is, and the way is direct.
 *
 * @throws FairleadError ERR_CONFIG, ERR_BROKER_UNREACHABLE that says what the proxy did not do, ERR_ABORTED
 */
export async function tunnelTo(
  to: URL,
  access: ProxyAccess,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Socket | undefined> {
  const { proxy } = chooseProxy(to, await now(access.proxy), process.env);
  if (proxy === undefined) return undefined;
  const ca = await now(access.proxyCa);
  return await openTunnel(to, proxy, ca, timeoutMs, signal);
}

async function openTunnel(
  to: URL,
  proxy: URL,
  ca: string | Buffer | undefined,
  timeoutMs: number,
  signal: AbortSignal,
): Promise<Socket> {
  const isSecure = to.protocol === 'wss:' || to.protocol === 'https:';
  const target = `${to.hostname}:${to.port || (isSecure ? 443 : 80)}`;
  return await withinDeadline(timeoutMs, signal, (limit) => connect(target, proxy, ca, limit, timeoutMs));
}

function connect(
  target: string,
  proxy: URL,
  ca: string | Buffer | undefined,
  limit: AbortSignal,
  timeoutMs: number,
): Promise<Socket> {
  const name = proxyName(proxy);
  const host = proxy.hostname.replace(/^\[|\]$/g, '');
  const hasPassword = proxy.username !== '' || proxy.password !== '';
  const send = proxy.protocol === 'https:' ? httpsRequest : httpRequest;
  return new Promise((resolve, reject) => {
    const fail = (why: string, cause?: unknown) =>
      reject(new FairleadError('ERR_BROKER_UNREACHABLE', `the proxy ${name} ${why}`, { cause }));
    const request = send({
      method: 'CONNECT',
      host,
      port: proxy.port || (proxy.protocol === 'https:' ? 443 : 80),
      path: target,
      headers: {
        host: target,
        ...(hasPassword ? { 'proxy-authorization': basic(proxy) } : {}),
      },
      agent: false,
      maxHeaderSize: maxHeaderBytes,
      signal: limit,
      // Inside this TLS there is only HTTP/1.1's CONNECT; RFC 6066 §3: an address is no server name.
      ...(ca === undefined ? {} : { ca }),
      ...(isIP(host) === 0 ? {} : { servername: '' }),
    });
    request.once('connect', ({ statusCode = 0, headers }, socket: Socket, head: Buffer) => {
      if (statusCode >= 200 && statusCode < 300 && head.length === 0) {
        resolve(socket);
        return;
      }
      socket.destroy();
      if (statusCode >= 200 && statusCode < 300) fail('sends bytes of its own before those of the broker');
      else fail(refusal(statusCode, headers['proxy-authenticate'], target, hasPassword));
    });
    // Whoever answers a CONNECT without hearing of it.
    request.once('response', (response) => {
      response.destroy();
      fail(`answered HTTP ${response.statusCode} as if it were no proxy`);
    });
    request.once('error', (error) => {
      if (!limit.aborted) fail(describe(error), error);
      else if (limit.reason instanceof DOMException && limit.reason.name === 'TimeoutError')
        fail(`did not connect to ${target} within ${timeoutMs / 1000} s`, error);
      else reject(new FairleadError('ERR_ABORTED', 'the connection was given up', { cause: error }));
    });
    request.end();
  });
}

/** RFC 7617. */
function basic({ username, password }: URL): string {
  const plain = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(plain).toString('base64')}`;
}

function refusal(status: number, asks: unknown, target: string, hadPassword: boolean): string {
  // Some say 401 where they mean 407.
  if (status === 407 || (status === 401 && hadPassword)) {
    const schemes = String(asks ?? '');
    if (schemes !== '' && !/\bbasic\b/i.test(schemes))
      return 'wants a way to sign in that is not spoken here (Basic is): use a local proxy that speaks it, such as cntlm or px';
    return hadPassword
      ? `does not take the user and password that it was shown (HTTP ${status})`
      : 'wants a user and a password (HTTP 407): put them into a file as "user:password" and name it with --proxy-auth-file';
  }
  if (status === 403 || status === 405)
    return `does not allow connections to ${target} (HTTP ${status}): have whoever runs it allow CONNECT to it`;
  if (status >= 500 && status < 600)
    return `cannot reach the broker at ${target} (HTTP ${status}): check the broker's name and port, as the proxy sees them`;
  return `answered HTTP ${status} to CONNECT ${target}`;
}

function describe(error: Error): string {
  const { code } = error as NodeJS.ErrnoException;
  if (code !== undefined && /^HPE_/.test(code)) return 'does not speak HTTP: check its port and its scheme';
  const problem = certificateProblem(code);
  if (problem !== undefined)
    return `shows a certificate that is not good: ${problem}; name its authority with --proxy-ca`;
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return 'shows a certificate for another name';
  if (/wrong version number|packet length too long/.test(error.message))
    return 'does not speak TLS: try http:// in its URL';
  if (code === 'ECONNRESET')
    return 'closed the connection without an answer: check its port, and that it is a proxy';
  return `cannot be reached: ${error.message || code || error.name}`;
}
