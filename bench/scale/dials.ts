// `dials SECRET-FILE BROKER NODES PER-SECOND SECONDS TARGET-PORT`: dials spread over all nodes at a steady rate, each with one byte there
// and back; what became of them as JSON on stdout. Open loop: a slow answer does not slow the next question down.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { mintToken } from '../../src/broker/index.ts';
import { connect } from '../../src/client/index.ts';

const [secretFile = '', url = '', nodes = '0', perSecond = '0', seconds = '0', targetPort = '0'] =
  process.argv.slice(2);
const token = await mintToken({ secret: readFileSync(secretFile, 'utf8'), dial: ['n-*'] });
const broker = connect({ url, token, dialTimeoutMs: 20_000 });
const times: number[] = [];
const failures: Record<string, number> = {};
const under: Promise<void>[] = [];
const total = Number(perSecond) * Number(seconds);
const startedAt = performance.now();
for (let at = 0; at < total; at += 1) {
  const dueMs = startedAt + (at * 1000) / Number(perSecond);
  if (dueMs > performance.now()) await sleep(dueMs - performance.now());
  under.push(dial(`n-${(at * 7919) % Number(nodes)}`, dueMs));
}
await Promise.all(under);
const ms = performance.now() - startedAt;
times.sort((a, b) => a - b);
const at = (share: number) => times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0;
process.stdout.write(
  JSON.stringify({ asked: total, answered: times.length, ms, p50: at(0.5), p99: at(0.99), failures }),
);
process.exit();

async function dial(node: string, dueMs: number): Promise<void> {
  try {
    const socket = await broker.dial({ node, host: '127.0.0.1', port: Number(targetPort) });
    socket.write('x');
    await once(socket, 'data');
    times.push(performance.now() - dueMs);
    socket.destroy();
  } catch (error) {
    const code = `${(error as { code?: string }).code}: ${(error as Error).message}`
      .replace(/\d+/g, 'N')
      .slice(0, 160);
    failures[code] = (failures[code] ?? 0) + 1;
  }
}
