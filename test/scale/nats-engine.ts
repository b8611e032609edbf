// Two replicas over a real nats-server on loopback, with all nodes at one of them: what the bus and the other replica
// have to bear. The agents are the broker's ends of links only; dials cross from one replica to the other.

import { type ChildProcess, spawn } from 'node:child_process';
import { setTimeout as sleep } from 'node:timers/promises';
import { residentBytes } from '../../bench/processes.ts';
import { agentTag } from '../../src/broker/link.ts';
import { NatsReplicas } from '../../src/broker/nats/nats-replicas.ts';
import { defaultRelayOptions } from '../../src/broker/relay-options.ts';
import { freePort } from '../rig/free-port.ts';
import { costOf } from './block.ts';
import { BrokerEnd, type Peer, SocketlessBroker, silentLog } from './broker.ts';

export interface NatsCosts {
  readonly nodes: number;
  readonly subscriptions: number;
  readonly serverBytesPerNode: number;
  /** CPU of registering one node beyond the memory engine's, both replicas and the client of NATS. */
  readonly registerMs: number;
  readonly registerBlockMs: number;
  readonly messagesPerNode: number;
  /** Messages a second without any traffic of peers. */
  readonly idleMessagesPerSecond: number;
  readonly listed: number;
  readonly isWhole: boolean;
  readonly censusMs: number;
  readonly censusBlockMs: number;
  readonly censusBytes: number;
  /** One node asked for by name at the replica that does not have it. */
  readonly findMs: number;
}

const idleSeconds = 6;
const batch = 500;

const deaf: Peer = { message() {}, ping() {}, closed() {} };

interface Varz {
  readonly subscriptions: number;
  readonly in_msgs: number;
  readonly in_bytes: number;
}

export async function natsCosts(nodes: number): Promise<NatsCosts> {
  const [port, monitor] = [await freePort(), await freePort()];
  const server = spawn('nats-server', ['-a', '127.0.0.1', '-p', String(port), '-m', String(monitor)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  const { pid = 0 } = server;
  const replicas: NatsReplicas[] = [];
  try {
    await ready(server);
    const varz = async () => (await (await fetch(`http://127.0.0.1:${monitor}/varz`)).json()) as Varz;
    const join = () => {
      const broker = new SocketlessBroker();
      const other = new NatsReplicas(
        broker.relay,
        { servers: [`nats://127.0.0.1:${port}`] },
        defaultRelayOptions,
        silentLog,
      );
      broker.relay.replicas = other;
      replicas.push(other);
      return { broker, replicas: other };
    };
    const [here, there] = [join(), join()];
    while (![here, there].every(({ replicas: { isUp, figures } }) => isUp && figures.replicas === 1))
      await sleep(50);
    const before = await varz();
    const bytesBefore = residentBytes({ pid });
    const register = await costOf(async () => {
      for (let n = 0; n < nodes; n += 1) {
        here.broker.relay.open(new BrokerEnd(tagOfNode(n), deaf));
        if (n % batch === batch - 1) await sleep(1);
      }
    });
    const after = await settled(varz, before.subscriptions + 2 * nodes);
    const serverBytesPerNode = (residentBytes({ pid }) - bytesBefore) / nodes;
    const idleFrom = await varz();
    await sleep(idleSeconds * 1000);
    const idleTo = await varz();
    let list = await there.replicas.list({ node: 'node-0' });
    const find = await costOf(async () => {
      for (let n = 0; n < 10; n += 1)
        list = await there.replicas.list({ node: `node-${(n * 7919) % nodes}` });
    });
    const startedAt = process.hrtime.bigint();
    const census = await costOf(async () => {
      list = await there.replicas.list({});
    });
    const censusMs = Number(process.hrtime.bigint() - startedAt) / 1e6;
    const { in_bytes: bytesAfter } = await varz();
    here.broker.close();
    there.broker.close();
    return {
      nodes,
      subscriptions: after.subscriptions,
      serverBytesPerNode,
      registerMs: register.cpuMs / nodes,
      registerBlockMs: register.blockMs,
      messagesPerNode: (after.in_msgs - before.in_msgs) / nodes,
      idleMessagesPerSecond: (idleTo.in_msgs - idleFrom.in_msgs) / idleSeconds,
      listed: list.nodes.length,
      isWhole: list.isWhole,
      censusMs,
      censusBlockMs: census.blockMs,
      censusBytes: bytesAfter - idleTo.in_bytes,
      findMs: find.cpuMs / 10,
    };
  } finally {
    for (const replica of replicas) await replica.close();
    server.kill('SIGKILL');
  }
}

function tagOfNode(n: number) {
  const expiresAt = Number.MAX_SAFE_INTEGER;
  const identity = {
    kind: 'agent',
    principal: `agent:node-${n}`,
    node: `node-${n}`,
    routes: [],
    expiresAt,
  } as const;
  return agentTag(identity, `instance-${n}`, {
    id: `link-${n}`,
    since: Date.now(),
    version: '1.0.0',
    attempt: 1,
  });
}

/** Once the server has so many subscriptions. */
async function settled(varz: () => Promise<Varz>, subscriptions: number): Promise<Varz> {
  for (;;) {
    const now = await varz();
    if (now.subscriptions >= subscriptions) return now;
    await sleep(50);
  }
}

/** Resolves once it serves. What it says is read to the end: a server that cannot say something is ended by that. */
async function ready(server: ChildProcess): Promise<void> {
  let said = '';
  await new Promise<void>((resolve, reject) => {
    server.once('exit', (code) => reject(new Error(`nats-server ended with ${code}: ${said}`)));
    server.stderr?.on('data', (chunk: Buffer) => {
      said = (said + chunk).slice(-10_000);
      if (said.includes('Server is ready')) resolve();
    });
  });
}
