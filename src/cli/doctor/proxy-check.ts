// Which proxy is on the way to the broker, why, and whether it lets us through. Must never show what a proxy's URL holds
// of a password.

import { proxyName } from '../../link/proxy-choice.ts';
import { describe } from '../failure.ts';
import { type Finding, fail, ok, skip } from './check.ts';
import { type Examination, openWay } from './examination.ts';

export async function checkProxy(examination: Examination): Promise<Finding> {
  const { url, way } = examination;
  if (way.proxy === undefined) return skip(`the way is direct: ${way.because}`);
  const name = proxyName(way.proxy);
  try {
    (await openWay(examination))?.destroy();
  } catch (error) {
    return fail(
      `${describe(error)} (${way.because})`,
      `connect with "curl --proxytunnel --proxy ${name} http://${url.host}/healthz" to see what it says; --proxy none, or the broker in NO_PROXY, goes directly`,
    );
  }
  return ok(`${name} connects to ${url.host} (${way.because})`);
}
