// Whether the environment names a proxy for the broker. Links go directly, whatever it names: so what is said is what a
// network that lets only its proxy out needs to know. Must never show what a proxy's URL holds of a password.

import { getProxyForUrl } from 'proxy-from-env';
import { type Finding, skip, warn } from './check.ts';
import { type Examination, hostOf, portOf } from './examination.ts';

export async function checkProxy(examination: Examination): Promise<Finding> {
  const { url } = examination;
  const asHttp = new URL(url);
  asHttp.protocol = url.protocol === 'wss:' ? 'https:' : 'http:';
  // By the usual variables: HTTPS_PROXY or HTTP_PROXY, ALL_PROXY, and NO_PROXY against them.
  const proxy = getProxyForUrl(asHttp.href);
  if (proxy === '') return skip('the environment names none for this broker');
  return warn(
    `the environment names ${nameOf(proxy)} for this broker, and links go there directly all the same`,
    `let this machine connect to ${hostOf(examination)}:${portOf(examination)} itself, or put the broker into NO_PROXY if that is meant`,
  );
}

function nameOf(proxy: string): string {
  try {
    const { protocol, host } = new URL(proxy);
    return `the proxy ${protocol}//${host}`;
  } catch {
    return 'a proxy';
  }
}
