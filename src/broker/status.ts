// GET /v1/status, put together from what the directory lists and what the engine knows of itself.

import type { BrokerStatus, InstanceStatus, Status } from '../protocol/status.ts';
import type { InstanceSummary, NodeList } from './directory.ts';
import type { Relay } from './relay.ts';

export function statusOf(broker: BrokerStatus, { nodes, isWhole }: NodeList): Status {
  return {
    broker,
    nodes: nodes.map(({ node, instances }) => ({ node, instances: instances.map(instanceStatus) })),
    ...(isWhole ? {} : { partial: true }),
  };
}

function instanceStatus({ draining, ...summary }: InstanceSummary): InstanceStatus {
  const { instance, version, since, address, labels, routes, sessions } = summary;
  const { streams, rttMs, receivedBytes, sentBytes, lastError } = summary;
  return {
    instance,
    version,
    state: draining ? 'draining' : 'ready',
    since,
    ...(address === undefined ? {} : { address }),
    labels,
    routes: [...routes],
    sessions,
    ...(streams === undefined ? {} : { streams }),
    ...(rttMs === undefined ? {} : { rttMs }),
    ...(receivedBytes === undefined ? {} : { receivedBytes }),
    ...(sentBytes === undefined ? {} : { sentBytes }),
    ...(lastError === undefined ? {} : { lastError }),
  };
}

/** What a relay counts, and how many links it has. */
export function relayStatus({
  counters,
  switchboard,
}: Relay): Required<Pick<BrokerStatus, 'links' | 'sessions' | 'received'>> {
  let agents = 0;
  for (const _ of switchboard.agents()) agents++;
  return {
    links: { agent: agents, dial: switchboard.sessionCount },
    sessions: switchboard.sessionCount,
    received: {
      agentBytes: counters.bytesFromAgents,
      dialBytes: counters.bytesFromDialers,
      agentMessages: counters.messagesFromAgents,
      dialMessages: counters.messagesFromDialers,
    },
  };
}
