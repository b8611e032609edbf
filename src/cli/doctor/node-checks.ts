// Beyond the broker: what it grants, whether the agent answers, and whether the agent reaches the target.

import { FairleadError } from '../../client/index.ts';
import { formatAddress } from '../address.ts';
import { formatMs } from '../ping-statistics.ts';
import { type Finding, fail, ok, skip, warn } from './check.ts';
import type { Examination } from './examination.ts';

export async function checkGrants(examination: Examination): Promise<Finding> {
  const { upgrade, node } = examination;
  const shown = examination.readToken === undefined ? 'certificate' : 'token';
  if (upgrade?.kind === 'refused') {
    if (upgrade.status === 401 || upgrade.status === 4401)
      return fail(
        `the broker refuses the ${shown}: ${upgrade.message}`,
        shown === 'token'
          ? 'make one that is signed with a key of this broker; "fairlead token inspect" says what this one holds'
          : "show a certificate that the broker's --client-ca has issued, and that its --auth-config knows",
      );
    if (upgrade.status === 403 && node !== undefined)
      return fail(
        `${upgrade.message}`,
        shown === 'token'
          ? `make a token that grants it: "fairlead token --dial ${node}"`
          : "grant it in the broker's --auth-config",
      );
    if (upgrade.status !== 403)
      return fail(
        `the broker refuses: ${upgrade.message} (${upgrade.status})`,
        "try again in a moment; see the broker's log and its limits",
      );
  }
  if (examination.isAgent) return ok(`the broker knows the ${shown}, and takes it for an agent's`);
  if (node !== undefined) return ok(`the broker lets this ${shown} dial the node "${node}"`);
  const client = await examination.client();
  const nodes = await client.nodes();
  const names = nodes.map((each) => each.node);
  if (names.length === 0)
    return warn(
      `the broker takes the ${shown}, but of the nodes that it may dial none is connected`,
      'name the node that you mean: "fairlead doctor NODE"',
    );
  const more = names.length > 5 ? ` and ${names.length - 5} more` : '';
  return ok(
    `may dial ${names.length} of the nodes that are connected: ${names.slice(0, 5).join(', ')}${more}`,
  );
}

export async function checkAgent(examination: Examination): Promise<Finding> {
  const { node } = examination;
  if (node === undefined) return skip('no node was named: "fairlead doctor NODE" asks its agent');
  const client = await examination.client();
  try {
    let { instance, totalMs, brokerMs } = await client.ping(node);
    // The first finds cold caches: the least of each is the way itself.
    for (let more = 4; more > 0; more -= 1) {
      const next = await client.ping(node);
      instance = next.instance;
      totalMs = Math.min(totalMs, next.totalMs);
      brokerMs = Math.min(brokerMs, next.brokerMs, totalMs);
    }
    const agentMs = totalMs - brokerMs;
    return ok(
      `"${node}" (${instance}) answers in ${formatMs(totalMs)} ms: ${formatMs(brokerMs)} dialer–broker + ${formatMs(agentMs)} broker–agent`,
    );
  } catch (error) {
    if (!(error instanceof FairleadError)) throw error;
    if (error.code === 'ERR_NODE_UNREACHABLE')
      return fail(
        error.message,
        `start "fairlead agent --node ${node}" there, or see in its log why it does not get through; "fairlead nodes" lists who is connected`,
      );
    return fail(
      `${error.message} (${error.code})`,
      error.code === 'ETIMEDOUT'
        ? 'the agent hangs, or its link has just been lost: see its log, and "fairlead ping"'
        : "see the agent's log",
    );
  }
}

export async function checkTarget(examination: Examination): Promise<Finding> {
  const { node, target, timeoutMs } = examination;
  if (node === undefined || target === undefined)
    return skip('no target was named: "fairlead doctor NODE HOST:PORT" connects to it');
  const name = formatAddress(target.host, target.port);
  const client = await examination.client();
  const sinceMs = performance.now();
  try {
    const socket = await client.dial({ node, ...target, timeoutMs });
    const tookMs = performance.now() - sinceMs;
    const { remoteAddress, remotePort } = socket;
    socket.destroy();
    const where =
      remoteAddress === undefined || remotePort === undefined
        ? ''
        : ` at ${formatAddress(remoteAddress, remotePort)}`;
    return ok(`the agent connects to ${name}${where}, in ${formatMs(tookMs)} ms from here`);
  } catch (error) {
    if (!(error instanceof FairleadError)) throw error;
    return fail(`${error.message} (${error.code})`, adviceOnTarget(error.code, name, node));
  }
}

function adviceOnTarget(code: string, name: string, node: string): string {
  switch (code) {
    case 'ECONNREFUSED':
      return `nothing listens at ${name}, as the machine of "${node}" sees it: start it, or correct the port`;
    case 'ENOTFOUND':
      return `the machine of "${node}" does not know that name: correct it, or write an address`;
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return `see from the machine of "${node}" whether ${name} can be reached: a firewall, or a route that is missing`;
    case 'ERR_TARGET_DENIED':
      return `start the agent with --allow "${name}", if its owner agrees`;
    case 'ERR_GRANT_DENIED':
      return `make a token that grants it: "fairlead token --dial ${node} --target '${name}'"`;
    case 'ERR_E2E':
      return 'give --e2e with --e2e-key and --e2e-peers, as the agent asks for, and compare the pins';
    default:
      return "see the agent's log";
  }
}
