// Keys and certificates of the tests: the project's own, and what an authority of theirs signs.

import { makeIdentity } from '../../src/e2e/make-identity.ts';

/** One agent and one dialer that know each other. */
export async function acquainted(node = 'edge-*', dialer = 'alice') {
  const agent = await makeIdentity('agent', 3600);
  const alice = await makeIdentity(dialer, 3600);
  return {
    agent,
    alice,
    agentSide: { key: agent.pem, peers: `${alice.pin} ${dialer}\n` },
    dialerSide: { key: alice.pem, peers: `${agent.pin} ${node}\n` },
  };
}
