// What is left after dials whose clients vanish: nothing. Broker, agent, gateway and clients are in this process, so
// that every socket and timer there is can be counted, unreferenced ones too.

import { createHook } from 'node:async_hooks';
import { connect, createServer, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import { mintToken, startBroker } from '../../src/broker/index.ts';
import { connect as connectBroker } from '../../src/client/index.ts';
import { startGateway } from '../../src/gateway/index.ts';
import { randomFrom } from '../rig/random.ts';
import { Rig } from '../rig/rig.ts';

const secret = 'a secret of the tests, long enough for HS256';
const loopback = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;

/** Sockets, listeners and timers alive in this process, by kind. Timers that are unreferenced count, too. */
class Alive {
  readonly #kinds = new Map<number, string>();
  readonly #hook = createHook({
    init: (id, type) => {
      if (type === 'Timeout' || type === 'TCPWRAP' || type === 'PIPEWRAP') this.#kinds.set(id, type);
    },
    destroy: (id) => this.#kinds.delete(id),
  }).enable();

  counts(): Record<string, number> {
    const counts: Record<string, number> = { Timeout: 0, TCPWRAP: 0, PIPEWRAP: 0 };
    for (const kind of this.#kinds.values()) counts[kind] = (counts[kind] ?? 0) + 1;
    return counts;
  }

  [Symbol.dispose](): void {
    this.#hook.disable();
  }
}

async function startWorld(rig: Rig, maxConnections?: number) {
  const targets = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    socket.write('a word before anybody asks\n');
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => targets.listen(0, '127.0.0.1', resolve));
  const { port } = targets.address() as { port: number };
  const broker = await startBroker({ secret, port: 0 });
  const agent = await startAgent({
    url: broker.url,
    token: await mintToken({ secret, agent: 'edge-1' }),
    node: 'edge-1',
    allow: [`127.0.0.1:${port}`, '127.0.0.1:1'],
    dialTimeoutMs: 2_000,
  });
  // A link that has no stream left is closed soon: that the agent's session ends shows that the client has none.
  const client = connectBroker({
    url: broker.url,
    token: await mintToken({ secret, dial: ['edge-*'] }),
    idleLinkMs: 400,
  });
  const path = rig.path('connect.sock');
  const gateway = await startGateway({
    broker: client,
    httpConnect: [{ kind: 'unix', path }, loopback],
    socks5: [loopback],
    ...(maxConnections === undefined ? {} : { maxConnections }),
  });
  const [, connectPort = 0, socksPort = 0] = gateway.addresses.map((address) =>
    Number(address.split(':')[1]),
  );
  rig.defer(async () => {
    await gateway.close();
    await client.close();
    await agent.close();
    await broker.close();
    targets.close();
  });
  return { targets, port, broker, agent, gateway, path, connectPort, socksPort };
}

type World = Awaited<ReturnType<typeof startWorld>>;

function linksOf({ broker }: World): number {
  return (
    [...broker.relay.switchboard.agents()].length + [...broker.relay.switchboard.dialers('edge-1')].length
  );
}

function atTargets({ targets }: World): Promise<number> {
  return new Promise((resolve) => targets.getConnections((_error, count) => resolve(count)));
}

test('20,000 dials whose clients vanish at random moments leave nothing in broker, agent and gateway', async () => {
  await using rig = new Rig();
  using alive = new Alive();
  const world = await startWorld(rig);
  const { path, connectPort, socksPort, port } = world;
  const random = randomFrom(0x5eed);
  const before = await settled(world, alive);

  const authorities = [
    `edge-1:${port}`,
    `edge-1:${port}`,
    `edge-1:${port}`,
    'edge-1:1',
    'edge-1:2',
    'nobody.example:1',
  ];
  const seen = { beforeHead: 0, inHead: 0, inDial: 0, inStream: 0, ended: 0, answered: 0, refused: 0 };

  function vanish(socket: Socket): void {
    const how = random();
    if (how < 0.4) socket.destroy();
    // A UNIX socket has no reset.
    else if (how < 0.8 && socket.remoteAddress !== undefined) socket.resetAndDestroy();
    else socket.end().destroySoon();
  }

  async function dial(): Promise<void> {
    const way = random();
    const socks = way > 0.8;
    const socket =
      way < 0.5 ? connect({ path }) : connect({ host: '127.0.0.1', port: socks ? socksPort : connectPort });
    socket.on('error', () => {});
    const closed = new Promise<void>((resolve) => socket.once('close', () => resolve()));
    let answer = '';
    let answered: () => void = () => {};
    const heard = new Promise<void>((resolve) => {
      answered = resolve;
    });
    socket.on('data', (chunk) => {
      answer = (answer + chunk.toString('latin1')).slice(0, 64);
      if (socks ? answer.length > 2 : answer.includes('\n')) answered();
    });
    const authority = authorities[Math.floor(random() * authorities.length)] ?? '';
    const [host = '', hostPort] = authority.split(':');
    const request = socks
      ? Buffer.from([
          5,
          1,
          0,
          5,
          1,
          0,
          3,
          host.length,
          ...Buffer.from(host),
          Number(hostPort) >> 8,
          Number(hostPort) & 255,
        ])
      : Buffer.from(`CONNECT ${authority} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
    const moment = random();
    if (moment < 0.05) {
      if (random() < 0.5) await new Promise<void>((resolve) => socket.once('connect', () => resolve()));
      seen.beforeHead += 1;
    } else if (moment < 0.15) {
      socket.write(request.subarray(0, Math.floor(random() * request.length)));
      await sleep(random() * 5);
      seen.inHead += 1;
    } else if (moment < 0.55) {
      socket.write(request);
      if (random() < 0.3) socket.write('said before the answer');
      await sleep(random() * 20);
      seen.inDial += 1;
    } else {
      socket.write(request);
      await Promise.race([heard, closed]);
      const isOpen = socks ? answer.charCodeAt(3) === 0 : answer.startsWith('HTTP/1.1 200');
      if (!isOpen) seen.refused += 1;
      else if (moment < 0.9) {
        seen.inStream += 1;
        socket.write(Buffer.alloc(Math.floor(random() * 100_000)));
        await sleep(random() * 10);
      } else {
        seen.ended += 1;
        socket.end('all that there is');
        await closed;
      }
    }
    if (answer !== '') seen.answered += 1;
    vanish(socket);
    await closed;
  }

  let begun = 0;
  async function worker(): Promise<void> {
    while (begun < 20_000) {
      begun += 1;
      await dial();
    }
  }
  await Promise.all(Array.from({ length: 150 }, worker));
  expect(begun).toBe(20_000);
  // Each of the moments was met, many times.
  for (const [moment, times] of Object.entries(seen)) expect(times, moment).toBeGreaterThan(300);

  // Back to where it began, the client's link, which is there only while it is used, included.
  expect(await countsLike(before, world, alive)).toEqual(before);
}, 240_000);

test('of ten thousand connections at once each is served or told that there is no room', async () => {
  await using rig = new Rig();
  using alive = new Alive();
  const world = await startWorld(rig, 1_000);
  const { agent, connectPort, port } = world;
  const before = await settled(world, alive);
  const outcomes: Record<string, number> = {};
  const served: Socket[] = [];
  await Promise.all(
    Array.from({ length: 10_000 }, () => {
      // Over TCP, where the kernel lets those wait whom the gateway has not accepted yet.
      const socket = connect({ host: '127.0.0.1', port: connectPort });
      let answer = '';
      return new Promise<void>((resolve) => {
        const done = (): void => {
          const status = /^HTTP\/1\.1 (\d+)/.exec(answer)?.[1] ?? 'no answer';
          outcomes[status] = (outcomes[status] ?? 0) + 1;
          if (status === '200') served.push(socket);
          else socket.destroy();
          resolve();
        };
        socket.on('data', (chunk) => {
          if (!answer.includes('\r\n\r\n')) {
            answer += chunk.toString('latin1');
            if (answer.includes('\r\n\r\n')) done();
          }
        });
        socket.once('error', (error: Error & { code?: string }) => {
          answer = error.code ?? error.message;
        });
        socket.once('close', () => {
          if (!answer.includes('\r\n\r\n')) done();
        });
        socket.write(`CONNECT edge-1:${port} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
      });
    }),
  );
  expect(outcomes['200']).toBe(1_000);
  expect(outcomes['503']).toBe(9_000);
  expect(agent.streamCount).toBe(1_000);
  for (const socket of served) socket.destroy();
  expect(await countsLike(before, world, alive)).toEqual(before);
}, 240_000);

async function countsOf(world: World, alive: Alive): Promise<Record<string, number>> {
  const { gateway, agent } = world;
  return {
    ...alive.counts(),
    links: linksOf(world),
    atTargets: await atTargets(world),
    atGateway: gateway.connectionCount,
    streams: agent.streamCount,
    sessions: agent.sessionCount,
  };
}

/** What there is after one dial, when nothing that comes of it or of the start is left: the agent's own link, for one. */
async function settled(world: World, alive: Alive): Promise<Record<string, number>> {
  const socket = connect({ path: world.path });
  socket.write(`CONNECT edge-1:${world.port} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  await new Promise((resolve) => socket.once('data', resolve));
  socket.destroy();
  for (let same = 0, last = ''; same < 30; ) {
    await sleep(100);
    const now = JSON.stringify(await countsOf(world, alive));
    same = now === last && world.agent.sessionCount === 0 ? same + 1 : 0;
    last = now;
  }
  return await countsOf(world, alive);
}

/** The counts once they are as they were, or what they are after half a minute. */
async function countsLike(before: object, world: World, alive: Alive): Promise<Record<string, number>> {
  const wanted = JSON.stringify(before);
  for (let n = 0; n < 300; n += 1) {
    const counts = await countsOf(world, alive);
    if (JSON.stringify(counts) === wanted) return counts;
    await sleep(100);
  }
  return await countsOf(world, alive);
}
