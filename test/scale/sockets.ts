// What a link's sockets and WebSocket cost the broker: a real one in this process, links from another over loopback.
// `sockets.js LINKS` is that other process; it is told the URL and the secret by the parent's first message.

import { fork } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { subprotocol } from '../../src/broker/gate.ts';
import { mintToken, startBroker } from '../../src/broker/index.ts';
import { costOf, cpuMsOf } from './block.ts';
import { secret } from './broker.ts';

export interface SocketCosts {
  readonly links: number;
  readonly bytesPerLink: number;
  /** CPU of one upgrade at the broker, TCP and HTTP included. */
  readonly upgradeMs: number;
  /** CPU of one idle link in a second. */
  readonly idleMsPerSecond: number;
}

const idleSeconds = 10;
const atOnce = 100;
const most = 1_000_000;

export async function socketCosts(links: number): Promise<SocketCosts> {
  const broker = await startBroker({
    port: 0,
    secret,
    maxConnectionsPerAddress: most,
    maxConnectionsPerSecond: most,
    maxRequestsPerSecond: most,
    maxLinksPerPrincipal: most,
  });
  const peer = fork(fileURLToPath(import.meta.url), [String(links)]);
  try {
    await once(peer, 'message');
    const before = residentBytes();
    const upgrades = await costOf(async () => {
      peer.send({ url: broker.url });
      await once(peer, 'message');
    });
    const bytesPerLink = (residentBytes() - before) / links;
    const idleMs = await cpuMsOf(() => new Promise((resolve) => setTimeout(resolve, idleSeconds * 1000)));
    return {
      links,
      bytesPerLink,
      upgradeMs: upgrades.cpuMs / links,
      idleMsPerSecond: idleMs / idleSeconds / links,
    };
  } finally {
    peer.kill();
    await broker.close();
  }
}

function residentBytes(): number {
  globalThis.gc?.();
  return process.memoryUsage().rss;
}

async function openLinks(links: number): Promise<void> {
  const tokens = await Promise.all(
    Array.from({ length: links }, (_, n) => mintToken({ secret, agent: `node-${n}` })),
  );
  process.send?.('ready');
  const [{ url }] = (await once(process, 'message')) as [{ url: string }];
  for (let at = 0; at < links; at += atOnce)
    await Promise.all(
      tokens.slice(at, at + atOnce).map(async (token, i) => {
        const query = new URLSearchParams({ node: `node-${at + i}`, instance: 'one', attempt: '1' });
        const headers = { authorization: `Bearer ${token}` };
        const socket = new WebSocket(`${url}/v1/agent?${query}`, subprotocol, { headers });
        await once(socket, 'message');
      }),
    );
  process.send?.('open');
}

if (process.argv[1] === fileURLToPath(import.meta.url)) await openLinks(Number(process.argv[2]));
