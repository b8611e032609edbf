// What is so with replicas over NATS only: servers that end, partitions, limits, many nodes.

import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { connect as connectToNats, headers } from '@nats-io/transport-node';
import { expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import { mintToken } from '../../src/broker/index.ts';
import { connect } from '../../src/client/index.ts';
import { freePort } from '../rig/free-port.ts';
import { NatsServer } from '../rig/nats.ts';
import { Replica } from '../rig/replica.ts';
import { Rig } from '../rig/rig.ts';
import { CuttableProxy, listen } from '../rig/targets.ts';
import { Peers, secret } from './suite.ts';

const mebibyte = 1024 * 1024;

interface Pair {
  readonly first: Replica;
  readonly second: Replica;
}

async function replicas(rig: Rig, urls: readonly string[], more: readonly string[] = []): Promise<Pair> {
  rig.write('secret', `${secret}\n`);
  const [first, second] = [urls[0] ?? '', urls.at(-1) ?? ''].map((url) => new Replica(rig, url, more)) as [
    Replica,
    Replica,
  ];
  await first.start();
  await second.start();
  return { first, second };
}

/** Agents at the first replica, dialers at the second. */
function across({ first, second }: Pair): Peers {
  return new Peers({ agentUrl: first.url, dialUrl: second.url, kill: async () => 0 }, 'edge-1');
}

test('a pair on one replica never touches NATS', async () => {
  await using rig = new Rig();
  const monitor = `127.0.0.1:${await freePort()}`;
  const server = await NatsServer.start(rig, `http: "${monitor}"`);
  const { first } = await replicas(rig, [server.url]);
  await using it = new Peers({ agentUrl: first.url, dialUrl: first.url, kill: async () => 0 }, 'edge-1');
  const { port } = await it.patternTarget(16 * mebibyte);
  await it.agent();
  await it.transfer(await it.client(), port, 16 * mebibyte);
  const { in_bytes: bytes } = (await (await fetch(`http://${monitor}/varz`)).json()) as { in_bytes: number };
  expect(bytes).toBeGreaterThan(0);
  expect(bytes).toBeLessThan(100_000);
});

test('NATS killed and restarted: local pairs go on meanwhile, the others resume, /readyz tells', async () => {
  await using rig = new Rig();
  const server = await NatsServer.start(rig);
  const pair = await replicas(rig, [server.url]);
  await using it = across(pair);
  const bytes = 12 * mebibyte;
  const rate = 4 * mebibyte;
  const { port, counts } = await it.patternTarget(bytes, rate);
  await it.agent();
  const local = await it.client({ url: pair.first.url });
  const remote = it.exchange(await it.dial(await it.client(), port), bytes, rate);
  remote.catch(() => {});
  await expect.poll(() => counts.length, { timeout: 20_000 }).toBe(1);
  await server.program.kill('SIGKILL');
  const readiness = async () => {
    const response = await fetch(`${pair.second.url.replace('ws', 'http')}/readyz`);
    return [response.status, await response.json()];
  };
  await expect.poll(readiness, { timeout: 20_000 }).toEqual([503, { status: 'nats-down' }]);
  await it.transfer(local, (await it.patternTarget(mebibyte)).port, mebibyte);
  await expect(it.dial(await it.client(), port)).rejects.toMatchObject({ code: 'ERR_NODE_UNREACHABLE' });
  await server.restart();
  await remote;
  expect(await counts[0]).toBe(bytes);
  await expect.poll(readiness, { timeout: 20_000 }).toEqual([200, { status: 'ready' }]);
}, 120_000);

test('a subscriber that is about to leave, and answers no more, holds up no dial', async () => {
  await using rig = new Rig();
  const server = await NatsServer.start(rig);
  await using it = across(await replicas(rig, [server.url]));
  const connection = await connectToNats({ servers: server.url });
  const heard = { once: 0, deaf: 0, liar: 0 };
  // It hears one question, and has left when the next is put.
  connection.subscribe('fairlead.find.once', { max: 1, callback: () => void heard.once++ });
  // It hears all of them.
  connection.subscribe('fairlead.find.deaf', { callback: () => void heard.deaf++ });
  // It says that it has the agent, and does not take the link.
  const found = headers();
  found.set('Fairlead', 'found');
  connection.subscribe('fairlead.find.liar', {
    callback: (_, message) => void message.respond('{"replica":"none","instance":"i1"}', { headers: found }),
  });
  connection.subscribe('fairlead.agent.liar.i1', { callback: () => void heard.liar++ });
  await connection.flush();
  const client = await it.client();
  const told = async (node: string) => {
    await expect(client.ping(node)).rejects.toMatchObject({ code: 'ERR_NODE_UNREACHABLE' });
  };
  await Promise.all(Object.keys(heard).map(told));
  expect(heard.once).toBe(1);
  expect(heard.deaf).toBeGreaterThan(2);
  expect(heard.liar).toBeGreaterThan(0);
  await connection.close();
});

test('an agent that moves to another replica keeps its streams; the link that it left behind is ended', async () => {
  await using rig = new Rig();
  const server = await NatsServer.start(rig);
  const pair = await replicas(rig, [server.url]);
  await using it = across(pair);
  const port = await it.echoTarget();
  const path = await CuttableProxy.start(it.rig, pair.first.port);
  await it.agent({ url: `ws://127.0.0.1:${path.port}` });
  const socket = await it.dial(await it.client({ url: pair.first.url }), port);
  const other = await it.dial(await it.client(), port);
  for (const stream of [socket, other]) {
    stream.write('before ');
    await once(stream, 'data');
  }
  // The path dies in silence: the first replica still believes that it has the agent.
  path.freeze();
  path.cutNear(it.rig);
  path.target = pair.second.port;
  for (const stream of [socket, other]) {
    stream.end('after');
    expect(await text(stream)).toBe('after');
  }
  await pair.first.program.said(/"event":"link-closed".*"code":4409/);
});

test('a partition between the replicas stops only what crosses it, and all of it goes on afterwards', async () => {
  await using rig = new Rig();
  const route = await freePort();
  const near = await NatsServer.start(
    rig,
    `server_name: near\ncluster { name: c, listen: "127.0.0.1:${route}", no_advertise: true }`,
  );
  const wire = await CuttableProxy.start(rig, route);
  const far = await NatsServer.start(
    rig,
    `server_name: far\ncluster { name: c, listen: "127.0.0.1:${await freePort()}", no_advertise: true, routes: ["nats://127.0.0.1:${wire.port}"] }`,
  );
  await far.program.said(/Route connection created/);
  const pair = await replicas(rig, [near.url, far.url]);
  await using it = across(pair);
  const bytes = 12 * mebibyte;
  const rate = 4 * mebibyte;
  const { port, counts } = await it.patternTarget(bytes, rate);
  await it.agent();
  const remote = it.exchange(await it.dial(await it.client(), port), bytes, rate);
  remote.catch(() => {});
  await expect.poll(() => counts.length, { timeout: 20_000 }).toBe(1);
  const { target } = wire;
  wire.target = 1;
  expect(wire.cut()).toBeGreaterThan(0);
  const local = await it.client({ url: pair.first.url });
  await it.transfer(local, (await it.patternTarget(mebibyte)).port, mebibyte);
  await expect(it.dial(await it.client(), port)).rejects.toMatchObject({ code: 'ERR_NODE_UNREACHABLE' });
  wire.target = target;
  await remote;
  expect(await counts[0]).toBe(bytes);
}, 120_000);

test('a server that cuts slow consumers loses no byte of any stream', async () => {
  await using rig = new Rig();
  const server = await NatsServer.start(
    rig,
    'max_pending: 2000000\nmax_payload: 280000\nwrite_deadline: "1s"',
  );
  const pair = await replicas(rig, [server.url]);
  await using it = across(pair);
  const bytes = 2 * mebibyte;
  const rate = mebibyte / 2;
  const { port, counts } = await it.patternTarget(bytes, rate);
  await it.agent();
  // So many that what is in flight is more than the kernel takes on its way.
  const clients = await Promise.all(Array.from({ length: 64 }, () => it.client()));
  const transfers = Promise.all(clients.map((client) => it.transfer(client, port, bytes, rate)));
  transfers.catch(() => {});
  await expect.poll(() => counts.length, { timeout: 30_000 }).toBe(64);
  // A replica that stands still for a while is as slow as a consumer can be.
  pair.second.program.child.kill('SIGSTOP');
  await server.program.said(/Slow Consumer/);
  pair.second.program.child.kill('SIGCONT');
  await transfers;
  expect(await Promise.all(counts)).toEqual(counts.map(() => bytes));
}, 120_000);

test("messages keep within the server's limit, however small it is", async () => {
  await using rig = new Rig();
  const server = await NatsServer.start(rig, 'max_payload: 16384');
  await using it = across(await replicas(rig, [server.url]));
  const bytes = 8 * mebibyte;
  const { port, counts } = await it.patternTarget(bytes);
  await it.agent();
  await it.transfer(await it.client(), port, bytes);
  expect(await Promise.all(counts)).toEqual([bytes]);
});

test('a NATS token is needed where the server wants one; another prefix is another world', async () => {
  await using rig = new Rig();
  const server = await NatsServer.start(rig, 'authorization { token: "a token of the tests" }');
  const tokenFile = rig.write('nats.token', 'a token of the tests\n');
  const pair = await replicas(rig, [server.url], ['--nats-token-file', tokenFile]);
  const elsewhere = new Replica(rig, server.url, ['--nats-token-file', tokenFile, '--nats-prefix', 'other']);
  await elsewhere.start();
  await using it = across(pair);
  const port = await it.echoTarget();
  await it.agent();
  const socket = await it.dial(await it.client(), port);
  socket.end('hello');
  expect(await text(socket)).toBe('hello');
  await expect(it.dial(await it.client({ url: elsewhere.url }), port)).rejects.toMatchObject({
    code: 'ERR_NODE_UNREACHABLE',
  });
  for (const { program } of [pair.first, pair.second, elsewhere])
    expect(program.log).not.toContain('a token of the tests');
});

test('2,000 nodes over two replicas: the list is whole, and dials to nodes at random succeed', async () => {
  await using rig = new Rig();
  const server = await NatsServer.start(rig);
  // All from one address, which a broker on a public address would not take for so many nodes.
  const pair = await replicas(
    rig,
    [server.url],
    ['connections-per-address', 'connections-per-second', 'requests-per-second'].flatMap((limit) => [
      `--max-${limit}`,
      '10000',
    ]),
  );
  const port = await listen(rig, (socket) => socket.pipe(socket));
  const count = 2000;
  const agents: Awaited<ReturnType<typeof startAgent>>[] = [];
  for (let at = 0; at < count; at += 100) {
    const batch = Array.from({ length: 100 }, async (_, i) => {
      const node = `node-${at + i}`;
      const url = (at + i) % 2 === 0 ? pair.first.url : pair.second.url;
      return startAgent({
        url,
        node,
        token: await mintToken({ secret, agent: node }),
        allow: ['127.0.0.1:*'],
      });
    });
    agents.push(...(await Promise.all(batch)));
  }
  rig.defer(() => Promise.all(agents.map((agent) => agent.close())));
  const token = await mintToken({ secret, dial: ['*'] });
  const clients = [pair.first, pair.second].map(({ url }) => connect({ url, token, idleLinkMs: 500 }));
  rig.defer(() => Promise.all(clients.map((client) => client.close())));
  for (const client of clients) expect((await client.nodes()).length).toBe(count);
  for (let n = 0; n < 100; n += 1) {
    // Multiples of a prime: spread over all, the same in every run.
    const node = `node-${(n * 797) % count}`;
    const socket = await (clients[n % 2] as (typeof clients)[0]).dial({
      node,
      host: '127.0.0.1',
      port,
      allowHalfOpen: true,
    });
    socket.end(node);
    expect(await text(socket)).toBe(node);
  }
}, 120_000);
