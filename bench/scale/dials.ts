// `dials SECRET-FILE BROKER NODES PER-SECOND TARGET-PORT`: dials at a steady rate, each with one byte there and back: first one to each
// node, which opens a link for its session, then as many once more over those. What became of them as JSON on stdout. Open
// loop: a slow answer does not slow the next question down.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { mintToken } from '../../src/broker/index.ts';
import { connect } from '../../src/client/index.ts';
import { percentile } from '../workloads/round-trips.ts';

export interface Dials {
  readonly asked: number;
  readonly answered: number;
  /** From when the first was due to the last answer. */
  readonly ms: number;
  /** From when a dial was due to its answer, in ms. */
  readonly p50: number;
  readonly p99: number;
  readonly failures: Readonly<Record<string, number>>;
}

const [secretFile = '', url = '', nodes = '0', perSecond = '0', targetPort = '0'] = process.argv.slice(2);
const token = await mintToken({ secret: readFileSync(secretFile, 'utf8'), dial: ['n-*'] });
const broker = connect({ url, token, dialTimeoutMs: 20_000 });
const opening = await dialEach();
const standing = await dialEach();
process.stdout.write(JSON.stringify({ opening, standing }));
process.exit();

async function dialEach(): Promise<Dials> {
  const times: number[] = [];
  const failures: Record<string, number> = {};
  const under: Promise<void>[] = [];
  const asked = Number(nodes);
  const startedAt = performance.now();
  for (let at = 0; at < asked; at += 1) {
    const dueMs = startedAt + (at * 1000) / Number(perSecond);
    if (dueMs > performance.now()) await sleep(dueMs - performance.now());
    under.push(
      dial(`n-${at}`).then(
        () => void times.push(performance.now() - dueMs),
        (error: Error & { code?: string }) => {
          const why = `${error.code}: ${error.message}`.replace(/\d+/g, 'N').slice(0, 160);
          failures[why] = (failures[why] ?? 0) + 1;
        },
      ),
    );
  }
  await Promise.all(under);
  const ms = performance.now() - startedAt;
  times.sort((a, b) => a - b);
  return {
    asked,
    answered: times.length,
    ms,
    p50: percentile(times, 0.5),
    p99: percentile(times, 0.99),
    failures,
  };
}

async function dial(node: string): Promise<void> {
  const socket = await broker.dial({ node, host: '127.0.0.1', port: Number(targetPort) });
  socket.write('x');
  await once(socket, 'data');
  socket.destroy();
}
