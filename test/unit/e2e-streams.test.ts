// Encrypted streams through a real broker and a real agent, all in this process: what a program that dials sees.

import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import { mintToken, startBroker } from '../../src/broker/index.ts';
import { connect } from '../../src/client/index.ts';
import { acquainted } from '../rig/identities.ts';
import { Rig } from '../rig/rig.ts';
import { listen, readPattern, writePattern } from '../rig/targets.ts';

const secret = 'a secret for tests that is long enough';

async function network(rig: Rig) {
  const { agentSide, dialerSide } = await acquainted();
  const broker = await startBroker({ secret, port: 0, drainMs: 200 });
  rig.defer(() => broker.close());
  const { url } = broker;
  const agent = await startAgent({
    url,
    token: await mintToken({ secret, agent: 'edge-1' }),
    node: 'edge-1',
    allow: ['127.0.0.1:*'],
    e2e: agentSide,
  });
  rig.defer(() => agent.close());
  const client = connect({ url, token: await mintToken({ secret, dial: ['*'] }), e2e: dialerSide });
  rig.defer(() => client.close());
  return { agent, client };
}

test('an encrypted stream carries bytes exactly, half-close both ways', async () => {
  await using rig = new Rig();
  const { client } = await network(rig);
  const bytes = 3_000_000;
  const port = await listen(rig, async (socket) => {
    await readPattern(socket);
    await writePattern(socket, bytes);
  });
  const socket = await client.dial({ node: 'edge-1', host: '127.0.0.1', port, allowHalfOpen: true });
  expect([socket.remoteAddress, socket.remotePort, socket.remoteFamily]).toEqual(['127.0.0.1', port, 'IPv4']);
  const [down] = await Promise.all([readPattern(socket), writePattern(socket, bytes)]);
  expect(down).toBe(bytes);
  await once(socket, 'close');
});

test('what is written while still connecting arrives', async () => {
  await using rig = new Rig();
  const { client } = await network(rig);
  const port = await listen(rig, (socket) => socket.pipe(socket));
  for (const word of ['first', 'second']) {
    const socket = client.dialStream({ node: 'edge-1', host: '127.0.0.1', port });
    socket.end(word);
    expect(await text(socket)).toBe(word);
  }
});
