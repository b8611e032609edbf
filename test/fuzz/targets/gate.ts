// The request for a link: method, path, query and headers of any kind are admitted as the token says, or refused with
// a status. Lines of the input: the request target, then headers.

import { createGate } from '../../../src/broker/gate.ts';
import type { Identity } from '../../../src/broker/identity.ts';
import { Refusal } from '../../../src/broker/refusal.ts';
import { parseSession } from '../../../src/protocol/envelope.ts';
import { promise } from '../target.ts';

const expiresAt = 4_000_000_000_000;
const identities: Readonly<Record<string, Identity>> = {
  agent: { kind: 'agent', principal: 'agent', node: 'edge-1', routes: ['10.0.0.0/8', 'default'], expiresAt },
  dial: { kind: 'dial', principal: 'alice', nodes: ['edge-*', '*.b'], targets: undefined, expiresAt },
};

const gate = createGate(
  async (token) => {
    const identity = identities[token];
    if (identity === undefined) throw new Refusal('unauthorized', 'no such token');
    return identity;
  },
  { isDraining: () => false, allowOrigins: ['https://dashboard.example.com'] },
);

export async function fuzz(data: Buffer): Promise<void> {
  const [target = '', ...lines] = data.toString('latin1').split('\n');
  let request: Request;
  try {
    const headers = new Headers({ 'sec-websocket-protocol': 'fairlead.v1', authorization: 'Bearer dial' });
    for (const line of lines) {
      const [name = '', value = ''] = line.split(':', 2);
      headers.set(name, value);
    }
    request = new Request(new URL(target, 'http://broker.invalid'), { headers });
  } catch {
    // Not a request at all, or not one of http: the engine says so before the gate is asked.
    return;
  }
  try {
    const admitted = await gate.authorizeUpgrade(request);
    const { identity } = admitted;
    promise(!request.headers.has('origin'), 'no browser is admitted');
    promise(admitted.attempt >= 0 && admitted.attempt < 1e9, 'an attempt is counted');
    if ('node' in admitted) {
      promise(identity.kind === 'dial', 'a dialer has a dial token');
      promise(/^(edge-[a-z0-9_-]*|[a-z0-9_-]+\.b)$/.test(admitted.node), 'the node is granted');
      promise(parseSession(admitted.session) !== undefined, 'the session is one');
    } else {
      promise(identity.kind === 'agent', 'an agent has an agent token');
      promise(admitted.routes.length <= 256, 'routes are bounded');
      const outside = admitted.routes.filter((route) => route !== 'default' && !/^10\./.test(route));
      promise(outside.length === 0, 'every route is granted');
    }
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
    promise(error.status >= 400 && error.status < 600, 'a refusal has a status');
    await error.toResponse().json();
  }
}
