// The edge engine's directory with so many nodes, on the edge's own runtime on this machine: what one object has to do
// for all. The nodes' objects know nothing of each other, so that one costs what it costs among a hundred thousand.

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { fileURLToPath } from 'node:url';
import { WebSocket } from 'ws';
import { cpuSeconds, residentBytes } from '../../bench/processes.ts';
import { subprotocol } from '../../src/broker/gate.ts';
import { mintToken } from '../../src/broker/index.ts';
import { secret } from './broker.ts';

export interface EdgeCosts {
  readonly nodes: number;
  readonly listed: number;
  /** CPU of the runtime for one report: Worker, directory and storage. */
  readonly reportMs: number;
  readonly rowBytes: number;
  readonly listBytes: number;
  readonly listMs: number;
  readonly statusMs: number;
  readonly resolveMs: number;
  /** One node by name: its own object answers. */
  readonly nodeMs: number;
  /** Of the whole runtime, after the lists. */
  readonly residentBytes: number;
  /** Real agent links, each to an object of its own. */
  readonly objects: number;
  readonly bytesPerObject: number;
}

const main = fileURLToPath(new URL('../../scripts/edge/main.js', import.meta.url));
const reportsAtOnce = 250;

interface Ready {
  readonly listen: readonly string[];
  readonly pid: number;
}

export async function edgeCosts(nodes: number, objects: number): Promise<EdgeCosts> {
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-scale-'));
  const secretFile = join(directory, 'secret');
  writeFileSync(secretFile, secret, { mode: 0o600 });
  const args = ['--port', '0', '--auth-secret-file', secretFile, '--entry', 'test/scale/edge-worker.ts'];
  const child = spawn(process.execPath, [main, ...args], { stdio: ['ignore', 'ignore', 'pipe'] });
  const sockets: WebSocket[] = [];
  try {
    const runtime = await readyLine(child.stderr);
    const { listen } = runtime;
    const origin = `http://${listen[0]}`;
    const headers = { authorization: `Bearer ${await mintToken({ secret, dial: ['*'] })}` };
    const ask = async (path: string) => {
      const before = cpuSeconds(runtime);
      const response = await fetch(`${origin}${path}`, { headers });
      const text = await response.text();
      if (!response.ok) throw new Error(`${path}: ${response.status} ${text}`);
      return { text, ms: 1000 * (cpuSeconds(runtime) - before) };
    };
    await ask('/scale/report?from=0&to=1');
    const sizeBefore = Number((await ask('/scale/size')).text);
    const before = cpuSeconds(runtime);
    for (let at = 1; at < nodes; at += reportsAtOnce)
      await ask(`/scale/report?from=${at}&to=${Math.min(nodes, at + reportsAtOnce)}`);
    const reportMs = (1000 * (cpuSeconds(runtime) - before)) / nodes;
    const rowBytes = (Number((await ask('/scale/size')).text) - sizeBefore) / nodes;
    const residentWithDirectory = residentBytes(runtime);
    for (let n = 0; n < objects; n += 1) {
      const node = `object-${n}`;
      const query = new URLSearchParams({ node, instance: 'one', attempt: '1' });
      const authorization = `Bearer ${await mintToken({ secret, agent: node })}`;
      const url = `ws://${listen[0]}/v1/agent?${query}`;
      const socket = new WebSocket(url, subprotocol, { headers: { authorization } });
      await once(socket, 'message');
      sockets.push(socket);
    }
    const bytesPerObject = (residentBytes(runtime) - residentWithDirectory) / objects;
    const node = await ask('/v1/nodes/object-0');
    // Last: what a long list leaves behind is given back at some time.
    const list = await ask('/v1/nodes');
    const status = await ask('/v1/status');
    const resolve = await ask('/v1/resolve?host=node-0');
    return {
      nodes,
      listed: (JSON.parse(list.text) as { nodes: unknown[] }).nodes.length,
      reportMs,
      rowBytes,
      listBytes: list.text.length,
      listMs: list.ms,
      statusMs: status.ms,
      resolveMs: resolve.ms,
      nodeMs: node.ms,
      residentBytes: residentBytes(runtime),
      objects,
      bytesPerObject,
    };
  } finally {
    for (const socket of sockets) socket.terminate();
    child.kill('SIGTERM');
    await once(child, 'exit');
    rmSync(directory, { recursive: true });
  }
}

async function readyLine(stderr: Readable): Promise<Ready> {
  let log = '';
  const line = await new Promise<string>((resolve, reject) => {
    stderr.once('end', () => reject(new Error(`the edge runtime did not start: ${log}`)));
    stderr.on('data', (chunk: Buffer) => {
      log = (log + chunk).slice(-10_000);
      const ready = /^\{.*"msg":"ready".*\}$/m.exec(log)?.[0];
      if (ready !== undefined) resolve(ready);
    });
  });
  return JSON.parse(line) as Ready;
}
