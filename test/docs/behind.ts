// What stands behind a page of documentation, inside its namespaces: a broker, nodes and their targets, at the very
// addresses that the page names. Started by world.sh; ends with it.

import { spawn } from 'node:child_process';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import type { Server } from 'node:net';
import { join } from 'node:path';
import { programs } from './programs.ts';

/** By the first word of a part; the others are its arguments. Only what a page needs is loaded. */
type Start = (...words: string[]) => Promise<unknown> | unknown;

const [, , results = ''] = process.argv;
const issued = { cert: join(results, 'server.pem'), key: join(results, 'server.key') };
const secret = readFileSync(join(results, 'secret'), 'utf8').trim();
/** Where agents go: the last broker that was started. */
let url = '';
const ca = readFileSync(join(results, 'ca.pem'), 'utf8');

function listen(server: Server, port: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject).listen(Number(port), '::', resolve);
  });
}

const hello: RequestListener = (_, response) => response.end('hello from behind the NAT\n');

const parts: Readonly<Record<string, Start>> = {
  /** `broker` for everybody, at port 443 and with TLS; `broker PORT` on loopback without. */
  broker: async (port) => {
    const { startBroker } = await import('../../src/broker/index.ts');
    if (port !== undefined) {
      url = `ws://127.0.0.1:${port}`;
      return await startBroker({ secret, port: Number(port) });
    }
    url = 'wss://broker.example.com';
    const tls = { cert: readFileSync(issued.cert), key: readFileSync(issued.key) };
    return await startBroker({ secret, host: '0.0.0.0', port: 443, metrics: 'off', tls });
  },
  /** `agent NODE ALLOW…` */
  agent: async (node = '', ...allow) => {
    const { startAgent } = await import('../../src/agent/index.ts');
    const { mintToken } = await import('../../src/broker/index.ts');
    return await startAgent({
      ...{ url, ca, node, allow: allow.length === 0 ? ['*:*'] : allow },
      token: await mintToken({ secret, agent: node, routes: ['default'] }),
      routes: ['default'],
    });
  },
  web: (port = '') => listen(createServer(hello), port),
  socket: (path = '') => new Promise<void>((resolve) => createServer(hello).listen(path, resolve)),
  https: (port = '') => {
    const tls = { cert: readFileSync(issued.cert), key: readFileSync(issued.key) };
    return listen(createTlsServer(tls, hello), port);
  },
  kubelet: async (port = '') => {
    const { Kubelet } = await import('../rig/kubelet.ts');
    return await Kubelet.start(
      { defer: () => {} },
      { server: issued, clientCa: join(results, 'ca.pem'), token: 'of-the-kubelet', port: Number(port) },
    );
  },
  ...Object.fromEntries(
    Object.entries(programs).map(([name, start]) => [
      name,
      (...words: string[]) => {
        const directory = join('/run', `${[name, ...words].join('-')}`);
        mkdirSync(directory, { recursive: true });
        return start({ directory, results, run }, ...words);
      },
    ]),
  ),
};

/** A real program; resolves once it has said `ready`. */
function run(command: string, args: readonly string[], ready: RegExp): Promise<void> {
  const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  return new Promise((resolve, reject) => {
    let said = '';
    const hear = (chunk: Buffer): void => {
      said = (said + chunk).slice(-10_000);
      if (ready.test(said)) resolve();
    };
    child.stdout.on('data', hear);
    child.stderr.on('data', hear);
    child.once('error', reject);
    child.once('exit', () => reject(new Error(`${command} ended:\n${said}`)));
  });
}

// In order: an agent wants its broker.
for (const part of JSON.parse(readFileSync(join(results, 'behind.json'), 'utf8')) as string[]) {
  const [name = '', ...words] = part.split(' ');
  const start = Object.hasOwn(parts, name) ? parts[name] : undefined;
  if (start === undefined) throw new Error(`nothing is called "${part}"`);
  await start(...words);
}
writeFileSync(join(results, 'ready'), '');
