// The HTTP proxy that is on the way to the broker: flags first, then the usual environment. A password is read from a
// file at each connect, and never shown.

import { type Command, Option } from 'commander';
import type { Logger } from 'pino';
import type { ProxyAccess } from '../link/broker-access.ts';
import { chooseProxy, proxyName } from '../link/proxy-choice.ts';
import { trustedAuthorities } from './certificate.ts';
import { readText, warnIfWorldReadable } from './credentials.ts';
import { Failure, UsageError } from './failure.ts';

export interface ProxyOptions {
  readonly brokerProxy?: string;
  readonly proxyAuthFile?: string;
  readonly proxyCa?: string;
}

/** One name for what it means, whatever the flag is called. */
class ProxyOption extends Option {
  override attributeName(): string {
    return 'brokerProxy';
  }
}

export function addProxyOptions(command: Command, flag = '--proxy'): Command {
  return command
    .addOption(
      new ProxyOption(
        `${flag} <url>`,
        'HTTP proxy on the way: http://[USER:PASSWORD@]HOST:PORT or https://…, or "none" (or HTTPS_PROXY, HTTP_PROXY, ALL_PROXY, NO_PROXY)',
      ),
    )
    .option('--proxy-auth-file <file>', 'file that holds "user:password" for the proxy')
    .option(
      '--proxy-ca <file>',
      "PEM certificates to verify an https:// proxy with, instead of the system's",
    );
}

/** Everything that can be wrong with a proxy before one is asked. */
export async function proxyAccess(options: ProxyOptions, to: URL, log: Logger): Promise<ProxyAccess> {
  const { proxyAuthFile, proxyCa } = options;
  const given = proxyGiven(options);
  const { proxy, because } = chooseProxy(to, given, process.env);
  if (proxy === undefined) {
    // A file for a proxy that the environment may name is no mistake.
    return given === undefined ? {} : { proxy: given };
  }
  log.info({ event: 'proxy-chosen', proxy: proxyName(proxy), because }, 'the broker is reached by a proxy');
  const ca = proxyCa === undefined ? {} : { proxyCa: await trustedAuthorities(proxyCa, log) };
  if (proxyAuthFile === undefined) return { proxy: proxy.href, ...ca };
  if (proxy.username !== '' || proxy.password !== '')
    throw new UsageError(
      'a user and a password are in the URL of the proxy and in --proxy-auth-file: give one',
    );
  const withPassword = async () => signedIn(proxy, await readText(proxyAuthFile), proxyAuthFile);
  await withPassword();
  await warnIfWorldReadable(proxyAuthFile, log);
  return { proxy: withPassword, ...ca };
}

/** As `chooseProxy` takes it. */
export function proxyGiven({ brokerProxy }: ProxyOptions): string | undefined {
  return brokerProxy === 'none' ? '' : brokerProxy;
}

function signedIn(proxy: URL, text: string, file: string): string {
  const [line = '', ...more] = text.trimEnd().split(/\r?\n/);
  const colon = line.indexOf(':');
  if (colon < 1 || more.length > 0) throw new Failure(`${file} should hold one line "user:password"`);
  const url = new URL(proxy);
  url.username = encodeURIComponent(line.slice(0, colon));
  url.password = encodeURIComponent(line.slice(colon + 1));
  return url.href;
}
