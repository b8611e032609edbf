// TLS above a dialled stream, as a program puts it there: the reader's pace must cost it no byte.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls, createServer } from 'node:tls';
import { expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import { mintToken, startBroker } from '../../src/broker/index.ts';
import { connect } from '../../src/client/index.ts';
import { selfSigned } from '../rig/certificates.ts';
import { Rig } from '../rig/rig.ts';

const secret = 'a secret for tests that is long enough';
const bytes = 140_000;

test('what TLS has decrypted is read to its end, though the stream below has ended long before', async () => {
  await using rig = new Rig();
  const broker = await startBroker({ secret, port: 0, drainMs: 200 });
  rig.defer(() => broker.close());
  const [node, url] = ['edge-1', broker.url];
  const token = await mintToken({ secret, agent: node });
  const agent = await startAgent({ url, token, node, allow: ['127.0.0.1:*'] });
  rig.defer(() => agent.close());
  const client = connect({ url, token: await mintToken({ secret, dial: [node] }) });
  rig.defer(() => client.close());
  const { cert, key } = await selfSigned(rig, 'target', 'IP:127.0.0.1');
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (socket) => {
    socket.on('error', () => {});
    socket.resume().end('x'.repeat(bytes));
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  rig.defer(() => server.close());
  const { port } = server.address() as AddressInfo;

  const stream = client.dialStream({ node, host: '127.0.0.1', port }).staysBelowTls();
  const tls = connectTls({ socket: stream, host: '127.0.0.1', ca: readFileSync(cert) });
  let read = 0;
  for await (const chunk of tls) {
    read += (chunk as Buffer).length;
    // Until nothing is left below.
    if (read > bytes / 2) await expect.poll(() => agent.streamCount).toBe(0);
    await sleep(20);
  }
  expect(read).toBe(bytes);
  if (!stream.closed) await once(stream, 'close');
});
