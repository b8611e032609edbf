// What the broker's own code costs with so many nodes, in one process: everything but sockets.

import { mintToken } from '../../src/broker/index.ts';
import { encodeControl } from '../../src/protocol/control.ts';
import { envelopeBytes, formatSession, readSession, writeSession } from '../../src/protocol/envelope.ts';
import { frameTypes } from '../../src/protocol/frame.ts';
import { costOf, cpuMsOf } from './block.ts';
import { type BrokerEnd, type Peer, SocketlessBroker, secret } from './broker.ts';

export interface OwnCosts {
  readonly nodes: number;
  /** Nodes that the broker lists afterwards: all of them, or the figures are of something else. */
  readonly listed: number;
  readonly bytesPerNode: number;
  readonly registerMs: number;
  /** CPU of the keep-alive in five seconds without traffic, and its longest piece. */
  readonly keepAliveMs: number;
  readonly keepAliveBlockMs: number;
  readonly expireBlockMs: number;
  readonly dialMs: number;
  readonly answered: number;
  readonly nodeMs: number;
  readonly resolveMs: number;
  readonly listBytes: number;
  readonly listBlockMs: number;
  readonly statusBytes: number;
  readonly statusBlockMs: number;
}

const dials = 500;
const atOnce = 200;
/** In which every link is pinged. */
const roundMs = 5050;

/** Answers what an agent's session layer would, and echoes messages. */
class QuietAgents implements Peer {
  readonly #broker: SocketlessBroker;
  constructor(broker: SocketlessBroker) {
    this.#broker = broker;
  }
  message(end: BrokerEnd, data: Uint8Array): void {
    if (readSession(data) !== 0n) this.#broker.relay.receive(end, data);
    else if (data[envelopeBytes] === frameTypes.ATTACH)
      this.#broker.relay.receive(
        end,
        encodeControl(frameTypes.ATTACH, readSession(data.subarray(envelopeBytes + 8))),
      );
  }
  ping(end: BrokerEnd): void {
    end.bytesRead += 6;
  }
  closed(): void {}
}

/** A dialer that counts what comes back. */
class CountingDialer implements Peer {
  messages = 0;
  message(_: BrokerEnd, data: Uint8Array): void {
    if (readSession(data) !== 0n) this.messages += 1;
  }
  ping(): void {}
  closed(): void {}
}

export async function ownCosts(nodes: number): Promise<OwnCosts> {
  const broker = new SocketlessBroker();
  const agents = new QuietAgents(broker);
  const tokens = await Promise.all(
    Array.from({ length: nodes }, (_, n) => mintToken({ secret, agent: `node-${n}` })),
  );
  const dialToken = await mintToken({ secret, dial: ['*'] });
  const before = heapBytes();
  const register = await costOf(async () => {
    for (let at = 0; at < nodes; at += atOnce)
      await Promise.all(
        tokens.slice(at, at + atOnce).map((token, i) => {
          const query = {
            node: `node-${at + i}`,
            instance: `instance-${at + i}`,
            version: '1.0.0',
            attempt: '1',
          };
          return broker.open(token, '/v1/agent', query, agents);
        }),
      );
  });
  const bytesPerNode = (heapBytes() - before) / nodes;
  const round = () => new Promise((resolve) => setTimeout(resolve, roundMs));
  const keepAliveMs = await cpuMsOf(round);
  const { blockMs: keepAliveBlockMs } = await costOf(round);
  const expire = await costOf(() => broker.relay.expire(Date.now()));
  const dialer = new CountingDialer();
  const dial = await costOf(async () => {
    for (let n = 0; n < dials; n += 1)
      await dialOnce(broker, dialToken, (n * 7919) % nodes, BigInt(n + 1), dialer);
  });
  const ask = async (path: string) => {
    let bytes = 0;
    const cost = await costOf(async () => {
      bytes = (await (await broker.ask(path, dialToken)).arrayBuffer()).byteLength;
    });
    return { ...cost, bytes };
  };
  const each = 20;
  const node = await costOf(async () => {
    for (let n = 0; n < each; n += 1) await ask(`/v1/nodes/node-${(n * 7919) % nodes}`);
  });
  const resolve = await costOf(async () => {
    for (let n = 0; n < each; n += 1) await ask(`/v1/resolve?host=node-${(n * 7919) % nodes}`);
  });
  const list = await ask('/v1/nodes');
  const status = await ask('/v1/status');
  const { switchboard } = broker.relay;
  const listed = [...switchboard.agents()].length;
  broker.close();
  return {
    nodes,
    listed,
    bytesPerNode,
    registerMs: register.cpuMs / nodes,
    keepAliveMs,
    keepAliveBlockMs,
    expireBlockMs: expire.blockMs,
    dialMs: dial.cpuMs / dials,
    answered: dialer.messages,
    nodeMs: node.cpuMs / each,
    resolveMs: resolve.cpuMs / each,
    listBytes: list.bytes,
    listBlockMs: list.blockMs,
    statusBytes: status.bytes,
    statusBlockMs: status.blockMs,
  };
}

/** A dialer's link is opened, offered to the agent and taken; a message goes there and back; the link ends. */
async function dialOnce(
  broker: SocketlessBroker,
  token: string,
  node: number,
  session: bigint,
  dialer: CountingDialer,
): Promise<void> {
  const query = { node: `node-${node}`, session: formatSession(session), attempt: '1' };
  const end = await broker.open(token, '/v1/dial', query, dialer);
  const message = new Uint8Array(envelopeBytes + 16);
  writeSession(message, session);
  broker.relay.receive(end, message);
  broker.left(end);
}

/** After a collection, where the process was started with `--expose-gc`. */
function heapBytes(): number {
  globalThis.gc?.();
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}
