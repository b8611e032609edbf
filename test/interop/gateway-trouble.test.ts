// What those who are connected, or about to be, see of agents that leave and brokers that restart.

import { connect } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { connect as connectBroker } from '../../src/client/index.ts';
import { startGateway } from '../../src/gateway/index.ts';
import { connectThrough, exchange, Gateway } from '../rig/gateway.ts';
import { Network, Rig } from '../rig/rig.ts';
import { listen, readPattern, writePattern } from '../rig/targets.ts';

const loopback = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;

function connectRequest(authority: string): string {
  return `CONNECT ${authority} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`;
}

test('a broker that is killed and comes back breaks no open connection, and none of their bytes', async () => {
  await using rig = new Rig();
  const bytes = 6 * 1024 * 1024;
  const uploads: Promise<number>[] = [];
  const port = await listen(rig, (socket) => {
    uploads.push(readPattern(socket));
    void writePattern(socket, bytes, 2 * 1024 * 1024);
  });
  const network = await Network.start(rig, `127.0.0.1:${port}`);
  const path = rig.path('connect.sock');
  await Gateway.start(rig, network, '--http-connect', `unix:${path}`);
  const downloads = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const { socket } = await connectThrough({ path }, `edge-1:${port}`);
      const download = readPattern(socket);
      socket.resume();
      void writePattern(socket, bytes, 2 * 1024 * 1024);
      return download;
    }),
  );
  await network.broker.kill('SIGKILL');
  // The answer is still believed, the broker is not there: 503 when the dial's time is over.
  const away = exchange({ path }, connectRequest('nobody.example:22'));
  expect(await away).toMatch(/^HTTP\/1\.1 503 [^\r]*ERR_BROKER_UNREACHABLE/);
  await network.startBroker();
  expect(await Promise.all(downloads.map((download) => download))).toEqual(Array(8).fill(bytes));
  expect(await Promise.all(uploads)).toEqual(Array(8).fill(bytes));
  // New ones find their way, too.
  const { head, socket } = await connectThrough({ path }, `edge-1:${port}`);
  expect(head).toContain('200');
  socket.destroy();
  uploads[8]?.catch(() => {});
}, 60_000);

test('an agent that leaves in mid-dial is an answer, one that leaves in mid-stream a reset', async () => {
  await using rig = new Rig();
  const port = await listen(rig, (socket) => socket.pipe(socket));
  const network = await Network.start(rig, `127.0.0.1:${port}`);
  await using broker = connectBroker({ url: network.url, token: network.dialToken, resumeWindowMs: 1_500 });
  const path = rig.path('connect.sock');
  const httpConnect = [loopback, { kind: 'unix', path } as const];
  const gateway = await startGateway({ broker, httpConnect, dialTimeoutMs: 10_000 });
  rig.defer(() => gateway.close());
  const to = { port: Number(gateway.addresses[0]?.split(':')[1]) };

  // A client that leaves in mid-dial takes its dial with it, while nobody answers.
  const { socket: open } = await connectThrough(to, `edge-1:${port}`);
  const { socket: overUnix } = await connectThrough({ path }, `edge-1:${port}`);
  network.agent.child.kill('SIGSTOP');
  const impatient = connect({ host: '127.0.0.1', port: to.port });
  impatient.write(connectRequest(`edge-1:${port}`));
  await until(() => gateway.connectionCount === 3);
  await sleep(50);
  impatient.destroy();
  await until(() => gateway.connectionCount === 2);

  const broken = new Promise<Error & { code?: string }>((resolve) => open.once('error', resolve));
  open.resume();
  const closed = new Promise((resolve) => overUnix.resume().once('end', resolve));
  const answer = exchange(to, connectRequest(`edge-1:${port}`));
  await until(() => gateway.connectionCount === 3);
  await sleep(50);
  await network.agent.kill('SIGKILL');
  expect(await answer).toMatch(/^HTTP\/1\.1 404 no [^\r]*"edge-1"[^\r]*ERR_NODE_UNREACHABLE/);
  expect((await broken).code).toBe('ECONNRESET');
  await closed;
  overUnix.destroy();
  await until(() => gateway.connectionCount === 0);

  // And when it is back, so is the way.
  network.agent = network.startAgent(`127.0.0.1:${port}`);
  await network.agent.ports();
  const { socket } = await connectThrough(to, `edge-1:${port}`);
  socket.destroy();
}, 60_000);

test('where two nodes serve a host, the other one is tried when one has gone', async () => {
  await using rig = new Rig();
  const port = await listen(rig, (socket) => socket.end('here\n'));
  const network = await Network.start(rig, '127.0.0.1:1');
  await network.agent.kill('SIGTERM');
  for (const node of ['edge-1', 'edge-2'])
    rig.write(`${node}.token`, await rig.token('--agent', node, '--route', '127.0.0.0/8'));
  const start = (node: string) =>
    rig.fairlead(
      ...['agent', '--broker', network.url, '--node', node, '--token-file', rig.path(`${node}.token`)],
      ...['--allow', `127.0.0.1:${port}`, '--route', '127.0.0.0/8', '--drain', '0'],
    );
  const agents = [start('edge-1'), start('edge-2')];
  for (const agent of agents) await agent.ports();
  const gateway = await Gateway.start(rig, network, '--http-connect', '127.0.0.1:0');
  const to = { port: gateway.port() };
  const ask = () => exchange(to, connectRequest(`127.0.0.1:${port}`));
  const here = /^HTTP\/1\.1 200 [^\r]*\r\n\r\nhere\n$/;
  expect(await ask()).toMatch(here);
  // The answer that names edge-1 first is believed for five seconds; its agent is gone by now.
  await agents[0]?.kill('SIGKILL');
  expect(await ask()).toMatch(here);
  await agents[1]?.kill('SIGKILL');
  expect(await ask()).toMatch(/^HTTP\/1\.1 404 /);
}, 60_000);

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(5);
}
