// The commands as people and scripts run them: real processes, ready lines, exact bytes, clean ends.

import { type ChildProcess, spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { buffer, text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Broker, mintToken, startBroker } from '../../src/broker/index.ts';

const fairlead = fileURLToPath(new URL('../../bin/fairlead', import.meta.url));
const secret = 'a secret for tests that is long enough';
const children: ChildProcess[] = [];
let directory = '';
let broker: Broker;
let echoServer: Server;
let echoPort = 0;

interface Running {
  readonly child: ChildProcess & { stdin: NodeJS.WritableStream; stdout: NodeJS.ReadableStream };
  readonly ended: Promise<number | null>;
  readonly stderr: () => string;
  /** The ready line, once it is there. */
  readonly ready: Promise<{ listen: string[] } & Record<string, unknown>>;
}

function start(...args: string[]): Running {
  const child = spawn(process.execPath, [fairlead, ...args], {
    env: {
      ...process.env,
      TMPDIR: directory,
      FAIRLEAD_BROKER: broker.url,
      FAIRLEAD_TOKEN_FILE: join(directory, args[0] === 'agent' ? 'agent.token' : 'dial.token'),
    },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  children.push(child);
  let log = '';
  const ready = new Promise<{ listen: string[] }>((resolve, reject) => {
    createInterface(child.stderr).on('line', (line) => {
      log += `${line}\n`;
      if (line.includes('"msg":"ready"')) resolve(JSON.parse(line));
    });
    child.once('close', () => reject(new Error(`ended before it was ready: ${log}`)));
  });
  ready.catch(() => {});
  const ended = new Promise<number | null>((resolve) => child.once('close', (code) => resolve(code)));
  return { child, ended, stderr: () => log, ready };
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'fairlead-commands-'));
  broker = await startBroker({ secret, port: 0, drainMs: 100 });
  const save = async (name: string, token: Promise<string>): Promise<void> =>
    writeFileSync(join(directory, name), await token, { mode: 0o600 });
  await save('agent.token', mintToken({ secret, agent: 'edge-1' }));
  await save('dial.token', mintToken({ secret, dial: ['edge-*'] }));
  echoServer = createServer({ allowHalfOpen: true }, (socket) => socket.on('error', () => {}).pipe(socket));
  await new Promise<void>((resolve) => echoServer.listen(0, '127.0.0.1', resolve));
  echoPort = (echoServer.address() as AddressInfo).port;
  const agent = start(
    'agent',
    '--node',
    'edge-1',
    '--instance',
    'one',
    '--allow',
    '127.0.0.1:*',
    '--drain',
    '0',
  );
  expect(await agent.ready).toMatchObject({ msg: 'ready', listen: [], node: 'edge-1', instance: 'one' });
});

afterAll(async () => {
  for (const child of children) child.kill('SIGKILL');
  echoServer.close();
  await broker.close();
  rmSync(directory, { recursive: true, force: true });
});

test('dial carries stdin and stdout exactly and exits 0 when both are done', async () => {
  const bytes = randomBytes(3_000_000);
  const { child, ended, stderr } = start('dial', 'edge-1', `127.0.0.1:${echoPort}`);
  child.stdin.end(bytes);
  const back = await buffer(child.stdout);
  expect(createHash('sha256').update(back).digest('hex')).toBe(
    createHash('sha256').update(bytes).digest('hex'),
  );
  expect({ code: await ended, stderr: stderr() }).toEqual({ code: 0, stderr: '' });
});

test('dial passes on the target’s end while stdin is still open, and stdin’s bytes after it', async () => {
  const server = createServer({ allowHalfOpen: true });
  const heard = new Promise<string>((resolve) => {
    server.once('connection', (socket) => resolve(text(socket.end('bye'))));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { child, ended } = start('dial', 'edge-1', `127.0.0.1:${(server.address() as AddressInfo).port}`);
  expect(await text(child.stdout)).toBe('bye');
  child.stdin.end('one more thing');
  expect(await heard).toBe('one more thing');
  expect(await ended).toBe(0);
  server.close();
});

test('dial says in one line why it failed, and exits 1', async () => {
  const unserved = start('dial', 'edge-2', '127.0.0.1:1');
  expect(await unserved.ended).toBe(1);
  expect(unserved.stderr()).toMatch(/^fairlead: no agent of the node "edge-2" [^\n]*\n$/);
  const refused = start('dial', 'edge-1', '127.0.0.1:1');
  expect(await refused.ended).toBe(1);
  expect(refused.stderr()).toMatch(/^fairlead: [^\n]*ECONNREFUSED[^\n]*\n$/);
});

test('dial whose reader has left ends without a word', async () => {
  const { child, ended, stderr } = start('dial', 'edge-1', `127.0.0.1:${echoPort}`);
  child.stdin.on('error', () => {});
  child.stdin.write('first');
  await new Promise((resolve) => child.stdout.once('data', resolve));
  (child.stdout as NodeJS.ReadableStream & { destroy(): void }).destroy();
  child.stdin.write('second');
  expect({ code: await ended, stderr: stderr() }).toEqual({ code: 1, stderr: '' });
});

test('forward says where it listens, in flag order, and joins connections to the target', async () => {
  const { child, ended, ready } = start(
    'forward',
    `0:edge-1:127.0.0.1:${echoPort}`,
    '[::1]:0:edge-1:127.0.0.1:1',
  );
  const { listen } = await ready;
  expect(listen).toEqual([
    expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    expect.stringMatching(/^\[::1\]:\d+$/),
  ]);
  const local = connect({ host: '127.0.0.1', port: Number(listen[0]?.split(':')[1]), allowHalfOpen: true });
  const bytes = randomBytes(1_000_000);
  local.end(bytes);
  expect((await buffer(local)).equals(bytes)).toBe(true);
  const refused = connect({ host: '::1', port: Number(listen[1]?.split(']:')[1]) });
  const error = await new Promise((resolve) => refused.once('error', resolve));
  expect(error).toMatchObject({ code: 'ECONNRESET' });
  child.kill('SIGTERM');
  expect(await ended).toBe(0);
});

test('nodes prints a table, or JSON', async () => {
  const { child, ended } = start('nodes');
  expect(await text(child.stdout)).toMatch(/^NODE +INSTANCE .* AGE\nedge-1 +one +ready .* \d+s\n$/);
  expect(await ended).toBe(0);
  const json = start('nodes', '--json');
  expect(JSON.parse(await text(json.child.stdout))).toMatchObject({
    nodes: [{ node: 'edge-1', instances: [{ instance: 'one', draining: false }] }],
  });
});

test('up prints curl lines that work, and Ctrl-C leaves nothing behind', async () => {
  const { child, ended, ready } = start('up');
  const printed = new Promise<string>((resolve) => {
    let all = '';
    child.stdout.on('data', (chunk) => {
      all += chunk;
      if (all.includes('Ctrl-C')) resolve(all);
    });
  });
  await ready;
  const lines = await printed;
  const url = /curl (http:\S+)/.exec(lines)?.[1] ?? '';
  expect(await (await fetch(url)).text()).toContain('Hello');
  const [, proxy = '', byName = ''] = /curl --proxy (http:\S+) --proxytunnel (http:\S+)/.exec(lines) ?? [];
  const curl = spawn('curl', ['-sS', '--proxy', proxy, '--proxytunnel', byName], { stdio: 'pipe' });
  expect(await text(curl.stdout)).toContain('Hello');
  const tokenFile = /--token-file (\S+)/.exec(lines)?.[1] ?? '';
  expect(lines).toMatch(
    /ssh -o ProxyCommand='\S+ dial --broker ws:\/\/127\.0\.0\.1:\d+ --token-file \S+ local %h:%p'/,
  );
  expect(existsSync(tokenFile)).toBe(true);
  child.kill('SIGINT');
  expect(await ended).toBe(0);
  expect(readdirSync(directory).filter((name) => name.startsWith('fairlead-up-'))).toEqual([]);
});
