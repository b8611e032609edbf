// Connections that are begun and not finished, by the thousand, against a real broker: it serves others meanwhile, and
// lets go of every one of them.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { connect as connectTcp, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { connect as connectTls } from 'node:tls';
import { expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { Authority } from '../rig/certificates.ts';
import { figuresOf } from '../rig/prometheus.ts';
import { Network, type Program, Rig } from '../rig/rig.ts';
import { listen } from '../rig/targets.ts';

const half =
  'GET /v1/agent?node=edge-1&instance=a HTTP/1.1\r\nHost: broker\r\nUpgrade: websocket\r\nX-Slow: ';
/** The record's header and the first byte of a ClientHello: the rest of 512 bytes does not come. */
const beginOfHello = Buffer.from('160301020001', 'hex');
const patience = ['--handshake-timeout', '3'];

/** The nth attacker's address; no address of the broker's friends. */
const from = (n: number) => `127.0.1.${1 + (n % 40)}`;

class Crowd {
  readonly sockets: Socket[] = [];
  ended = 0;
  private readonly port: number;

  constructor(rig: Rig, port: number) {
    this.port = port;
    rig.defer(() => {
      for (const socket of this.sockets) socket.destroy();
    });
  }

  /** Connects without waiting for it to be served. */
  async tcp(localAddress: string): Promise<Socket> {
    const socket = connectTcp({ port: this.port, host: '127.0.0.1', localAddress });
    this.keep(socket);
    await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve));
    return socket;
  }

  async tls(localAddress: string, ca: string): Promise<Socket> {
    const tcp = await this.tcp(localAddress);
    const socket = connectTls({ socket: tcp, ca, servername: 'broker.test' });
    socket.on('error', () => {});
    socket.resume();
    await once(socket, 'secureConnect');
    return socket;
  }

  get open(): number {
    return this.sockets.length - this.ended;
  }

  private keep(socket: Socket): void {
    this.sockets.push(socket);
    socket.on('error', () => {});
    // What a broker says to those whom it turns away is of no interest, but must be read to see the end.
    socket.resume();
    socket.once('close', () => {
      this.ended += 1;
    });
  }
}

async function letGoOf(crowd: Crowd): Promise<void> {
  while (crowd.open > 0) await sleep(20);
}

test('1,000 half-open handshakes: silent, without a ClientHello, without an upgrade. The broker serves on', async () => {
  await using rig = new Rig();
  const ca = await Authority.create(rig, 'ca');
  const { cert, key } = await ca.issue('broker', { san: 'DNS:broker.test,IP:127.0.0.1' });
  rig.write('secret', 'a secret of the tests, long enough for HS256\n');
  const agentToken = rig.write('agent.token', await rig.token('--agent', 'edge-1'));
  const dialToken = await rig.token('--dial', 'edge-*');
  const broker: Program = rig.fairlead(
    ...['broker', '--listen', '127.0.0.1:0', '--auth-secret-file', rig.path('secret')],
    ...['--tls-cert', cert, '--tls-key', key, '--metrics', '127.0.0.1:0', ...patience],
  );
  const [port = 0, metrics = 0] = await broker.ports();
  const url = `wss://127.0.0.1:${port}`;
  const pem = readFileSync(ca.cert, 'utf8');

  const crowd = new Crowd(rig, port);
  const begun: Promise<unknown>[] = [];
  for (let n = 0; n < 1000; n += 1) {
    if (n % 3 === 0) begun.push(crowd.tcp(from(n)));
    else if (n % 3 === 1) begun.push(crowd.tcp(from(n)).then((socket) => socket.write(beginOfHello)));
    else begun.push(crowd.tls(from(n), pem).then((socket) => socket.write(half)));
    if (n % 50 === 49) await Promise.all(begun.splice(0));
  }
  await Promise.all(begun);
  const standing = (await figuresOf(metrics)).get('fairlead_unfinished_connections') ?? 0;
  console.log(`half-open handshakes that the broker held at once: ${standing} of 1000`);
  expect(standing).toBeGreaterThan(500);

  const agent = rig.fairlead(
    ...['agent', '--broker', url, '--ca', ca.cert, '--node', 'edge-1', '--token-file', agentToken],
    ...['--allow', '127.0.0.1:*'],
  );
  await agent.ports();
  const echo = await listen(rig, (socket) => socket.pipe(socket));
  await using client = connect({ url, token: dialToken, ca: pem });
  const socket = await client.dial({ node: 'edge-1', host: '127.0.0.1', port: echo });
  socket.write('served');
  expect(String((await once(socket, 'data'))[0])).toBe('served');
  socket.destroy();

  await letGoOf(crowd);
  expect((await figuresOf(metrics)).get('fairlead_unfinished_connections')).toBe(0);
});

test('1,000 silent connections from one address: its share of them is held, and no other address is the worse', async () => {
  await using rig = new Rig();
  const network = await Network.start(rig, '127.0.0.1:*', [], patience);
  const crowd = new Crowd(rig, network.port);
  for (let n = 0; n < 1000; n += 50)
    await Promise.all(Array.from({ length: 50 }, () => crowd.tcp('127.0.1.1')));
  const figures = await figuresOf(network.port);
  const refused = (limit: string) => figures.get(`fairlead_connections_refused_total{limit="${limit}"}`) ?? 0;
  const counts = {
    held: figures.get('fairlead_unfinished_connections'),
    perSecond: refused('connections-per-second'),
    unfinished: refused('unfinished-per-address'),
  };
  console.log(`1,000 silent connections from one address: ${JSON.stringify(counts)}`);
  expect(counts.held).toBeLessThanOrEqual(256);
  expect(counts.perSecond + counts.unfinished).toBeGreaterThanOrEqual(1000 - 256);
  await using client = connect({ url: network.url, token: network.dialToken });
  expect((await client.nodes()).length).toBe(1);
  await letGoOf(crowd);
});

test('slow-loris: a byte of an upgrade now and then buys nobody more time than an upgrade has', async () => {
  await using rig = new Rig();
  const network = await Network.start(rig, '127.0.0.1:*', [], patience);
  const crowd = new Crowd(rig, network.port);
  let answers = '';
  for (let n = 0; n < 200; n += 1) {
    const socket = await crowd.tcp(from(n));
    socket.on('data', (chunk) => {
      answers += chunk;
    });
    socket.write(half);
  }
  const drip = setInterval(() => {
    for (const socket of crowd.sockets) if (socket.writable) socket.write('z');
  }, 100);
  rig.defer(() => clearInterval(drip));
  await using client = connect({ url: network.url, token: network.dialToken });
  expect((await client.nodes()).length).toBe(1);
  expect(crowd.open).toBe(200);
  await letGoOf(crowd);
  const timedOut = answers.match(/HTTP\/1\.1 408/g)?.length ?? 0;
  console.log(`slow-loris: ${timedOut} of 200 were told 408`);
  expect(timedOut).toBeGreaterThan(0);
  expect(network.broker.child.exitCode).toBeNull();
});
