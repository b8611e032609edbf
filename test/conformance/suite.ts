// The conformance suite: what every engine does for streams, whichever it is. Each property is one test, run once
// for each engine; docs/engines.md is made of the results.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { startAgent } from '../../src/agent/index.ts';
import { mintToken } from '../../src/broker/index.ts';
import {
  type BrokerClient,
  type ConnectOptions,
  connect,
  type StreamSocket,
} from '../../src/client/index.ts';
import { decodeControl, encodeControl } from '../../src/protocol/control.ts';
import { frameTypes } from '../../src/protocol/frame.ts';
import { freePort } from '../rig/free-port.ts';
import { acquainted } from '../rig/identities.ts';
import { Middle } from '../rig/middle.ts';
import { Rig } from '../rig/rig.ts';
import { CuttableProxy, listen, readPattern, writePattern } from '../rig/targets.ts';
import type { Brokers, Engine } from './engine.ts';

const mebibyte = 1024 * 1024;
/** What every engine's brokers are started with. */
export const secret = 'a secret of the conformance suite, long enough';

/** The local edge runtime leaves the TCP connection open after the close frames, until it evicts the object. */
const closeSoon: object = { closeTimeout: 500 };

type Agent = Awaited<ReturnType<typeof startAgent>>;
type AgentOptions = Parameters<typeof startAgent>[0];

/** Agents and dialers of one test, which are gone after it. */
export class Peers implements AsyncDisposable {
  readonly rig = new Rig();
  readonly brokers: Brokers;
  readonly node: string;
  /** Times that an agent's link was lost. */
  linkLosses = 0;

  constructor(brokers: Brokers, node: string) {
    this.brokers = brokers;
    this.node = node;
  }

  readonly #log = {
    debug() {},
    info() {},
    warn: (fields: object) => {
      if ('event' in fields && fields.event === 'link-down') this.linkLosses += 1;
    },
    error() {},
  };

  async agent(options: Partial<AgentOptions> = {}): Promise<Agent> {
    const token = await mintToken({ secret, agent: this.node });
    const agent = await startAgent({
      url: this.brokers.agentUrl,
      token,
      node: this.node,
      allow: ['127.0.0.1:*'],
      log: this.#log,
      ...options,
    });
    this.rig.defer(() => agent.close());
    return agent;
  }

  async client(options: Partial<ConnectOptions> = {}, subject?: string): Promise<BrokerClient> {
    const token = await mintToken({ secret, dial: ['*'], subject });
    const client = connect({ url: this.brokers.dialUrl, token, idleLinkMs: 5000, ...options });
    this.rig.defer(() => client.close());
    return client;
  }

  async dial(client: BrokerClient, port: number): Promise<StreamSocket> {
    const socket = await client.dial({ node: this.node, host: '127.0.0.1', port, allowHalfOpen: true });
    // Whoever reads hears of errors; one that comes when the client is closed at the end concerns nobody.
    return socket.on('error', () => {});
  }

  /** Ends with both directions exact: `bytes` of the pattern each way. */
  async transfer(client: BrokerClient, port: number, bytes: number, rate = 0): Promise<void> {
    await this.exchange(await this.dial(client, port), bytes, rate);
  }

  async exchange(socket: StreamSocket, bytes: number, rate: number): Promise<void> {
    const [down] = await Promise.all([readPattern(socket), writePattern(socket, bytes, rate)]);
    expect(down).toBe(bytes);
  }

  /** A target that reads the pattern while it writes it; `counts` has what each connection brought. */
  async patternTarget(bytes: number, rate = 0): Promise<{ port: number; counts: Promise<number>[] }> {
    const counts: Promise<number>[] = [];
    const port = await listen(this.rig, (socket) => {
      const count = readPattern(socket);
      count.catch(() => {});
      counts.push(count);
      void writePattern(socket, bytes, rate);
    });
    return { port, counts };
  }

  echoTarget(): Promise<number> {
    return listen(this.rig, (socket) => socket.pipe(socket));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.rig[Symbol.asyncDispose]();
  }
}

export function conformance(engine: Engine): void {
  describe(`engine ${engine.name}`, () => {
    const rig = new Rig();
    let brokers: Brokers;
    let lastNode = 0;
    const peers = () => {
      lastNode += 1;
      return new Peers(brokers, `node-${lastNode}.${engine.name}`);
    };

    beforeAll(async () => {
      rig.write('secret', `${secret}\n`);
      brokers = await engine.start(rig);
    });
    afterAll(() => rig[Symbol.asyncDispose]());

    test('64 MiB cross exactly, both ways at once', async () => {
      await using it = peers();
      const bytes = 64 * mebibyte;
      const { port, counts } = await it.patternTarget(bytes);
      await it.agent();
      await it.transfer(await it.client(), port, bytes);
      expect(await Promise.all(counts)).toEqual([bytes]);
    });

    test('a reply that begins after the half-close arrives whole', async () => {
      await using it = peers();
      const bytes = 3 * mebibyte;
      const port = await listen(it.rig, async (socket) => {
        await readPattern(socket);
        await writePattern(socket, bytes);
      });
      await it.agent();
      await it.transfer(await it.client(), port, bytes);
    });

    test('a target that speaks first is heard', async () => {
      await using it = peers();
      const port = await listen(it.rig, (socket) => socket.end('220 ready\r\n'));
      await it.agent();
      const socket = await it.dial(await it.client(), port);
      expect(await text(socket)).toBe('220 ready\r\n');
    });

    test('256 streams at once each carry their own bytes', async () => {
      await using it = peers();
      const port = await it.echoTarget();
      await it.agent();
      const client = await it.client();
      const said = await Promise.all(
        Array.from({ length: 256 }, async (_, i) => {
          const socket = await it.dial(client, port);
          socket.end(`stream ${i}`);
          return text(socket);
        }),
      );
      expect(said).toEqual(said.map((_, i) => `stream ${i}`));
    });

    test('a target that refuses, one that is not allowed and a node that nobody serves: each its own error', async () => {
      await using it = peers();
      const closed = await freePort();
      const denied = await it.echoTarget();
      await it.agent({ allow: [`127.0.0.1:${closed}`] });
      const client = await it.client();
      await expect(it.dial(client, closed)).rejects.toMatchObject({ code: 'ECONNREFUSED' });
      await expect(it.dial(client, denied)).rejects.toMatchObject({ code: 'ERR_TARGET_DENIED' });
      await expect(client.dial({ node: 'nobody', host: '127.0.0.1', port: 1 })).rejects.toMatchObject({
        code: 'ERR_NODE_UNREACHABLE',
      });
    });

    test('a token that is none, one of another kind and one for other nodes are turned away', async () => {
      await using it = peers();
      const [url, node] = [brokers.dialUrl, it.node];
      const agentToken = await mintToken({ secret, agent: node });
      const otherNode = await mintToken({ secret, agent: 'other' });
      const forged = await mintToken({ secret: 'quite another secret, just as long as it', dial: ['*'] });
      const dialing = (token: string) => {
        const client = connect({ url, token });
        it.rig.defer(() => client.close());
        return client.dial({ node, host: '127.0.0.1', port: 1 });
      };
      await expect(dialing('nonsense')).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
      await expect(dialing(forged)).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
      await expect(dialing(agentToken)).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
      await expect(it.agent({ token: otherNode })).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
    });

    test('a reader that stands still stops only its own stream', async () => {
      await using it = peers();
      const endless = await listen(it.rig, (socket) => void writePattern(socket, 1024 * mebibyte));
      const { port } = await it.patternTarget(8 * mebibyte);
      await it.agent();
      const client = await it.client();
      const stalled = await it.dial(client, endless);
      stalled.on('error', () => {});
      stalled.pause();
      await it.transfer(client, port, 8 * mebibyte);
      const other = await it.client();
      await it.transfer(other, port, 8 * mebibyte);
      expect(stalled.destroyed).toBe(false);
      stalled.destroy();
    });

    test('a dialer that never reads its link harms no other', async () => {
      await using it = peers();
      const endless = await listen(it.rig, (socket) => void writePattern(socket, 1024 * mebibyte));
      const { port } = await it.patternTarget(8 * mebibyte);
      await it.agent();
      const path = await CuttableProxy.start(it.rig, Number(new URL(brokers.dialUrl).port));
      const frozen = await it.client({ url: `ws://127.0.0.1:${path.port}` });
      const socket = await it.dial(frozen, endless);
      socket.on('error', () => {});
      await once(socket, 'data');
      path.freeze();
      await it.transfer(await it.client(), port, 8 * mebibyte);
      socket.destroy();
    });

    test('links that are cut again and again lose no byte', async () => {
      await using it = peers();
      const bytes = 16 * mebibyte;
      const rate = 6 * mebibyte;
      const { port, counts } = await it.patternTarget(bytes, rate);
      const agentPath = await CuttableProxy.start(it.rig, Number(new URL(brokers.agentUrl).port));
      const dialPath = await CuttableProxy.start(it.rig, Number(new URL(brokers.dialUrl).port));
      await it.agent({ url: `ws://127.0.0.1:${agentPath.port}` });
      const client = await it.client({ url: `ws://127.0.0.1:${dialPath.port}` });
      let cuts = 0;
      const cutting = setInterval(() => {
        cuts += (cuts % 2 === 0 ? dialPath : agentPath).cut() > 0 ? 1 : 0;
      }, 500);
      it.rig.defer(() => clearInterval(cutting));
      await it.transfer(client, port, bytes, rate);
      expect(await Promise.all(counts)).toEqual([bytes]);
      expect(cuts).toBeGreaterThanOrEqual(3);
    });

    test('killed every second under eight transfers, it breaks no stream and no byte', {
      timeout: 180_000,
    }, async () => {
      await using it = peers();
      const bytes = 24 * mebibyte;
      const rate = 4 * mebibyte;
      const { port, counts } = await it.patternTarget(bytes, rate);
      await it.agent();
      const clients = await Promise.all(Array.from({ length: 4 }, () => it.client()));
      // A dial that finds no agent fails, and may: all stand before the first kill.
      const sockets = await Promise.all([...clients, ...clients].map((client) => it.dial(client, port)));
      let done = false;
      const transfers = Promise.all(sockets.map((socket) => it.exchange(socket, bytes, rate))).finally(() => {
        done = true;
      });
      transfers.catch(() => {});
      let kills = 0;
      for (;;) {
        await sleep(1000);
        if (done) break;
        kills += await brokers.kill(it.node);
      }
      await transfers;
      expect(await Promise.all(counts)).toEqual(Array(8).fill(bytes));
      expect(kills).toBeGreaterThanOrEqual(4);
    });

    test('an agent that comes on a newer link keeps its streams, and the older link is told', async () => {
      await using it = peers();
      const port = await it.echoTarget();
      const path = await CuttableProxy.start(it.rig, Number(new URL(brokers.agentUrl).port));
      await it.agent({ url: `ws://127.0.0.1:${path.port}` });
      const socket = await it.dial(await it.client(), port);
      socket.write('before ');
      await once(socket, 'data');
      // A path that has died in silence: the agent gives it up, the broker does not know yet.
      path.freeze();
      path.cutNear(it.rig);
      socket.end('after');
      expect(await text(socket)).toBe('after');
    });

    test("who attaches to another's session is refused and is sent none of its bytes", async () => {
      await using it = peers();
      const port = await it.echoTarget();
      await it.agent();
      const path = await CuttableProxy.start(it.rig, Number(new URL(brokers.dialUrl).port));
      const socket = await it.dial(await it.client({ url: `ws://127.0.0.1:${path.port}` }, 'alice'), port);
      socket.write('hello');
      await once(socket, 'data');
      const stolen = /session=([0-9a-f]{16})/.exec(path.firstBytes)?.[1];
      const token = await mintToken({ secret, dial: ['*'], subject: 'mallory' });
      const thief = new WebSocket(
        `${brokers.agentUrl}/v1/dial?node=${it.node}&session=${stolen}`,
        'fairlead.v1',
        {
          headers: { authorization: `Bearer ${token}` },
          ...closeSoon,
        },
      );
      const heard: number[] = [];
      thief.on('message', (data: Buffer) => heard.push(data.readUInt32BE(0) | data.readUInt32BE(4)));
      const [code] = await once(thief, 'close');
      expect(code).toBe(4403);
      // Session 0 only: HELLO, perhaps UNREACHABLE.
      expect(heard.filter((id) => id !== 0)).toEqual([]);
      socket.end('still mine');
      expect(await text(socket)).toBe('still mine');
    });

    /** What a dial link of the node is closed with once it has sent these. */
    async function closeCodeAfter(node: string, messages: readonly (Uint8Array | string)[]): Promise<number> {
      const token = await mintToken({ secret, dial: ['*'] });
      // Each link has a principal of its own, so it needs a session of its own: the agent does not give one away.
      const link = new WebSocket(
        `${brokers.dialUrl}/v1/dial?node=${node}&session=${randomBytes(8).toString('hex')}`,
        'fairlead.v1',
        { headers: { authorization: `Bearer ${token}` }, ...closeSoon },
      );
      await once(link, 'open');
      for (const message of messages) link.send(message);
      const [code] = await once(link, 'close');
      return code as number;
    }

    test('a message over the advertised size and one of text end their own link only', async () => {
      await using it = peers();
      const port = await it.echoTarget();
      await it.agent();
      const socket = await it.dial(await it.client(), port);
      for (const [message, expected] of [
        [Buffer.alloc(600_000), 1009],
        ['text', 1003],
        [Buffer.from('short'), 4400],
      ] as const)
        expect(await closeCodeAfter(it.node, [message])).toBe(expected);
      socket.end('untouched');
      expect(await text(socket)).toBe('untouched');
    });

    test('a flood of control frames ends its own link only', async () => {
      await using it = peers();
      const port = await it.echoTarget();
      await it.agent();
      const socket = await it.dial(await it.client(), port);
      const flood = Array.from({ length: 1000 }, () => encodeControl(frameTypes.PING));
      expect(await closeCodeAfter(it.node, flood)).toBe(4429);
      socket.end('untouched');
      expect(await text(socket)).toBe('untouched');
    });

    test("a newer token of the same principal is taken on a live link, and a stranger's ends it", async () => {
      await using it = peers();
      const newToken = (subject: string) => mintToken({ secret, dial: ['*'], subject });
      const link = new WebSocket(
        `${brokers.dialUrl}/v1/dial?node=${it.node}&session=00000000000000bb`,
        'fairlead.v1',
        { headers: { authorization: `Bearer ${await newToken('alice')}` }, ...closeSoon },
      );
      it.rig.defer(() => link.terminate());
      const answered = new Promise<void>((resolve) => {
        link.on('message', (data: Buffer) => {
          if (decodeControl(data).some(({ type }) => type === frameTypes.REAUTH)) resolve();
        });
      });
      await once(link, 'open');
      link.send(encodeControl(frameTypes.REAUTH, 0n, { token: await newToken('alice') }));
      await answered;
      link.send(encodeControl(frameTypes.REAUTH, 0n, { token: await newToken('mallory') }));
      const [code] = await once(link, 'close');
      expect(code).toBe(4401);
    });

    test('GET /v1/nodes and /v1/nodes/NODE tell who is connected, wherever one asks', async () => {
      await using it = peers();
      const agent = await it.agent();
      const client = await it.client();
      const listed = async () => (await client.nodes()).find(({ node }) => node === it.node)?.instances;
      await expect
        .poll(listed, { timeout: 20_000 })
        .toMatchObject([{ instance: agent.instance, draining: false }]);
      const origin = brokers.dialUrl.replace('ws:', 'http:');
      const token = await mintToken({ secret, dial: ['*'] });
      const ask = (path: string) =>
        fetch(`${origin}${path}`, { headers: { authorization: `Bearer ${token}` } });
      const one = await ask(`/v1/nodes/${it.node}`);
      expect(await one.json()).toMatchObject({ node: it.node, instances: [{ instance: agent.instance }] });
      await agent.close();
      await expect.poll(listed, { timeout: 20_000 }).toBe(undefined);
      await expect
        .poll(async () => (await ask(`/v1/nodes/${it.node}`)).status, { timeout: 20_000 })
        .toBe(404);
    });

    test('GET /v1/status tells how it is with each agent, as far as the engine knows, and / is the status page', async () => {
      await using it = peers();
      const labels = { site: 'Würzburg', rack: 'b-12' };
      const agent = await it.agent({ labels });
      const client = await it.client();
      const told = async () => (await client.status()).nodes.find(({ node }) => node === it.node)?.instances;
      await expect
        .poll(told, { timeout: 20_000 })
        .toMatchObject([{ instance: agent.instance, state: 'ready', labels, sessions: 0 }]);
      const { broker } = await client.status();
      expect(broker).toMatchObject({ engine: engine.name, draining: false });
      if (engine.name === 'edge') {
        // What is not known is absent. An agent says nothing that would wake an object.
        expect(Object.keys((await told())?.[0] ?? {})).not.toContain('receivedBytes');
      } else {
        const port = await it.echoTarget();
        const socket = await it.dial(client, port);
        await expect
          .poll(told, { timeout: 20_000 })
          .toMatchObject([{ address: '127.0.0.1', streams: 1, receivedBytes: expect.any(Number) }]);
        socket.destroy();
      }
      const page = await fetch(`${brokers.dialUrl.replace('ws:', 'http:')}/`);
      expect([page.status, page.headers.get('content-type')]).toEqual([200, 'text/html; charset=utf-8']);
      expect(page.headers.get('content-security-policy')).toContain("default-src 'none'");
      const stranger = { headers: { 'x-forwarded-for': '203.0.113.7' } };
      expect((await fetch(`${brokers.dialUrl.replace('ws:', 'http:')}/v1/status`, stranger)).status).toBe(
        401,
      );
    });

    test('GET /v1/resolve names the node that serves a host, and a route that no token grants is refused', async () => {
      await using it = peers();
      const token = await mintToken({ secret, agent: it.node, routes: ['10.7.0.0/16', 'db.internal'] });
      await it.agent({ token, routes: ['10.7.1.0/24', 'db.internal'] });
      await expect(it.agent({ token, routes: ['10.0.0.0/8'] })).rejects.toMatchObject({
        code: 'ERR_FORBIDDEN',
      });
      const dialToken = await mintToken({ secret, dial: ['*'] });
      const resolve = async (host: string) => {
        const url = `${brokers.dialUrl.replace('ws:', 'http:')}/v1/resolve?host=${encodeURIComponent(host)}`;
        const response = await fetch(url, { headers: { authorization: `Bearer ${dialToken}` } });
        const { nodes = [] } = (await response.json()) as { nodes?: { node: string; route: string }[] };
        return [response.status, ...nodes.map(({ node, route }) => `${node} ${route}`)];
      };
      await expect
        .poll(() => resolve('10.7.1.9'), { timeout: 20_000 })
        .toEqual([200, `${it.node} 10.7.1.0/24`]);
      expect(await resolve('DB.internal')).toEqual([200, `${it.node} db.internal`]);
      expect(await resolve(it.node)).toEqual([200, `${it.node} ${it.node}`]);
      expect(await resolve('10.7.2.1')).toEqual([404]);
      expect(await resolve('10.7.0.0/16')).toEqual([400]);
    });

    test('a ping is split at the broker, and an agent that is away is told at once', async () => {
      await using it = peers();
      const agent = await it.agent();
      const { dialerSide } = await acquainted();
      for (const client of [await it.client(), await it.client({ e2e: dialerSide })]) {
        const { instance, totalMs, brokerMs, agentMs } = await client.ping(it.node);
        expect(instance).toBe(agent.instance);
        expect(brokerMs).toBeGreaterThan(0);
        expect(brokerMs + agentMs).toBeCloseTo(totalMs, 6);
      }
      const client = await it.client();
      await client.ping(it.node);
      await agent.close();
      await expect(client.ping(it.node)).rejects.toMatchObject({ code: 'ERR_NODE_UNREACHABLE' });
    });

    test('a stream that is encrypted end to end shows the broker neither payload nor target', async () => {
      await using it = peers();
      const port = await it.echoTarget();
      const atAgent = await Middle.start(it.rig, brokers.agentUrl);
      const atDialer = await Middle.start(it.rig, brokers.dialUrl);
      const { agentSide, dialerSide } = await acquainted(it.node);
      await it.agent({ url: atAgent.url, e2e: agentSide });
      const secrets = ['the payload of this stream', 'localhost', String(port)];
      const talk = async (client: BrokerClient) => {
        const socket = client.dialStream({ node: it.node, host: 'localhost', port });
        socket.end(secrets[0]);
        expect(await text(socket)).toBe(secrets[0]);
      };
      const seen = () =>
        [atAgent, atDialer].map(({ capture }) => secrets.filter((secret) => capture.includes(secret)));
      await talk(await it.client({ url: atDialer.url, e2e: dialerSide }));
      expect([atAgent.capture.length > 1000, atDialer.capture.length > 1000]).toEqual([true, true]);
      expect(seen()).toEqual([[], []]);
      // It would be seen, were it there.
      await talk(await it.client({ url: atDialer.url }));
      expect(seen()).toEqual([secrets, secrets]);
    });

    test('the agent drains: streams go on, new ones find the next instance', async () => {
      await using it = peers();
      const port = await it.echoTarget();
      const first = await it.agent();
      const client = await it.client();
      const socket = await it.dial(client, port);
      socket.write('a');
      await once(socket, 'data');
      const second = await it.agent();
      const drained = first.drain(30_000);
      const next = await it.dial(await it.client(), port);
      next.end('to the second');
      expect(await text(next)).toBe('to the second');
      expect(second.sessionCount).toBe(1);
      socket.end('b');
      expect(await text(socket)).toBe('b');
      await drained;
    });
  });
}
