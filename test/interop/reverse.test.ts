// The way back: a node that can only dial out reaches its control plane at a local port. Real processes, curl as the
// client, an HTTPS server in the place of the API server.

import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { connect } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { Authority } from '../rig/certificates.ts';
import { type Program, Rig } from '../rig/rig.ts';
import { listen, pattern, patternHash } from '../rig/targets.ts';

const name = 'kubernetes.default.svc';
const downloadBytes = 32 * 1024 * 1024;

/** Broker, control plane and node, with what each needs in files. */
class ControlPlane {
  readonly rig: Rig;
  readonly apiPort: number;
  broker!: Program;
  brokerPort = 0;

  constructor(rig: Rig, apiPort: number) {
    this.rig = rig;
    this.apiPort = apiPort;
  }

  /** `more` are flags of the agent at the control plane. */
  static async start(rig: Rig, apiPort: number, ...more: string[]): Promise<ControlPlane> {
    rig.write('secret', 'a secret of the tests, long enough for HS256\n');
    rig.write('control-plane.token', await rig.token('--agent', 'control-plane'));
    rig.write('edge-1.token', await rig.token('--agent', 'edge-1'));
    rig.write(
      'way-back.token',
      await rig.token('--dial', 'control-plane', '--target', `control-plane:${apiPort}`),
    );
    const world = new ControlPlane(rig, apiPort);
    await world.startBroker();
    await world.agent('control-plane', '--allow', `127.0.0.1:${apiPort}`, ...more).ports();
    return world;
  }

  async startBroker(): Promise<void> {
    const { rig, brokerPort } = this;
    const listening = ['--listen', `127.0.0.1:${brokerPort}`];
    this.broker = rig.fairlead('broker', ...listening, '--auth-secret-file', rig.path('secret'));
    [this.brokerPort = 0] = await this.broker.ports();
  }

  agent(node: string, ...more: string[]): Program {
    const access = ['--broker', `ws://127.0.0.1:${this.brokerPort}`, '--node', node];
    return this.rig.fairlead('agent', ...access, '--token-file', this.rig.path(`${node}.token`), ...more);
  }

  /** The node's agent; `listens` are values of --listen. */
  node(listens: readonly string[], token = 'way-back.token', ...more: string[]): Program {
    const flags = listens.flatMap((text) => ['--listen', text]);
    const withToken = ['--listen-token-file', this.rig.path(token)];
    return this.agent('edge-1', '--allow', '127.0.0.1:1', ...flags, ...withToken, ...more);
  }
}

/** Says who is asked for `/`; for `/download` gives bytes of the pattern, some MiB in a second. */
async function apiServer(rig: Rig): Promise<{ port: number; server: Server }> {
  const authority = await Authority.create(rig, 'cluster');
  const { cert, key } = await authority.issue('api', { san: `DNS:${name}` });
  const server = createServer({ cert: readFileSync(cert), key: readFileSync(key) }, (request, response) => {
    if (request.url === '/download') pipeline(slowly(), response).catch(() => {});
    else response.end(`this is ${request.headers.host}`);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  rig.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return { port: (server.address() as { port: number }).port, server };
}

async function* slowly(): AsyncGenerator<Buffer> {
  for (let sent = 0; sent < downloadBytes; sent += pattern.length) {
    yield pattern;
    await sleep(50);
  }
}

function curl(rig: Rig, port: number, path: string, ...more: string[]): string[] {
  const verified = ['--silent', '--show-error', '--fail', '--cacert', rig.path('cluster/ca.pem')];
  return [...verified, '--resolve', `${name}:${port}:127.0.0.1`, ...more, `https://${name}:${port}${path}`];
}

/** How a connection that says something ends: the error's code, or `end`. */
async function fateOf(port: number): Promise<string> {
  const socket = connect(port, '127.0.0.1');
  socket.write('GET / HTTP/1.1\r\n\r\n');
  socket.resume();
  const fate = new Promise<string>((resolve) => {
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? 'unknown'));
    socket.once('end', () => resolve('end'));
  });
  try {
    return await fate;
  } finally {
    socket.destroy();
  }
}

test('a node reaches the API server at its own port, certificate and all', async () => {
  await using rig = new Rig();
  const { port } = await apiServer(rig);
  const world = await ControlPlane.start(rig, port);
  const node = world.node([`0=control-plane:control-plane:${port}`, `[::1]:0=control-plane:control-plane:1`]);
  const [line] = await node.said(/^\{.*"msg":"ready".*\}$/m);
  const { listen } = JSON.parse(line) as { listen: string[] };
  expect(listen).toEqual([
    expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    expect.stringMatching(/^\[::1\]:\d+$/),
  ]);
  const [local = 0] = await node.ports();
  const asked = await rig.run('curl', curl(rig, local, '/'));
  expect(asked).toMatchObject({ code: 0, stderr: '' });
  expect(asked.stdout.toString()).toBe(`this is ${name}:${local}`);

  const unverified = await rig.run('curl', ['--silent', '--show-error', `https://127.0.0.1:${local}/`]);
  expect(unverified.code).toBe(60);
  expect(unverified.stderr).toContain('certificate');
});

test('the way back is encrypted through the broker, to an agent that is known by its key and to no other', async () => {
  await using rig = new Rig();
  const { port } = await apiServer(rig);
  const pins: Record<string, string> = {};
  for (const holder of ['node', 'control-plane', 'stranger']) {
    const made = await rig.run(rig.fairleadPath, ['keys', '--e2e', '--key-file', rig.path(`${holder}.pem`)]);
    pins[holder] = made.stdout.toString().trim();
  }
  rig.write('dialers', `${pins.node} edge-1\n`);
  rig.write('agents', `${pins['control-plane']} control-plane\n`);
  rig.write('strangers', `${pins.stranger} control-plane\n`);
  const sealed = [
    '--e2e-key',
    rig.path('control-plane.pem'),
    '--e2e-peers',
    rig.path('dialers'),
    '--e2e-require',
  ];
  const world = await ControlPlane.start(rig, port, ...sealed);
  const listens = [`0=control-plane:control-plane:${port}`];
  const withKey = ['--e2e-key', rig.path('node.pem'), '--listen-e2e-peers'];

  const node = world.node(listens, 'way-back.token', ...withKey, rig.path('agents'));
  const [local = 0] = await node.ports();
  expect(await rig.run('curl', curl(rig, local, '/'))).toMatchObject({ code: 0, stderr: '' });
  await node.kill();

  const [unknown = 0] = await world
    .node(listens, 'way-back.token', ...withKey, rig.path('strangers'))
    .ports();
  expect(await fateOf(unknown)).toBe('ECONNRESET');
  // Without a key it is turned away: what came through above was encrypted.
  const [plain = 0] = await world.node(listens).ports();
  expect(await fateOf(plain)).toBe('ECONNRESET');
});

test('a broker that is killed and started again in the middle of a transfer costs not a byte', async () => {
  await using rig = new Rig();
  const { port } = await apiServer(rig);
  const world = await ControlPlane.start(rig, port);
  const node = world.node([`0=control-plane:control-plane:${port}`]);
  const [local = 0] = await node.ports();
  const file = rig.write('download', '');
  const download = rig.run('curl', curl(rig, local, '/download', '--output', file));
  while (statSync(file).size < 4_000_000) await sleep(10);
  await world.broker.kill();
  expect(statSync(file).size).toBeLessThan(downloadBytes);
  await node.said(/"event":"link-down"/);
  await world.startBroker();
  expect(await download).toMatchObject({ code: 0, stderr: '' });
  const { stdout } = await rig.run('sha256sum', [file]);
  expect(stdout.toString().split(' ')[0]).toBe(patternHash(downloadBytes));
});

test('what cannot be reached is a line in the log and a reset connection, and touches no other', async () => {
  await using rig = new Rig();
  const { port } = await apiServer(rig);
  const world = await ControlPlane.start(rig, port);
  rig.write('wide.token', await rig.token('--dial', 'control-plane', '--dial', 'nowhere'));
  const node = world.node(
    [
      `0=control-plane:control-plane:${port}`,
      '0=nowhere:127.0.0.1:6443',
      '0=control-plane:127.0.0.1:1',
      '0=other:127.0.0.1:6443',
    ],
    'wide.token',
  );
  const [good = 0, unknown = 0, forbidden = 0, notGranted = 0] = await node.ports();
  for (const [local, code, target] of [
    [unknown, 'ERR_NODE_UNREACHABLE', '127.0.0.1:6443'],
    [forbidden, 'ERR_TARGET_DENIED', '127.0.0.1:1'],
    [notGranted, 'ERR_FORBIDDEN', '127.0.0.1:6443'],
  ] as const) {
    expect(await fateOf(local)).toBe('ECONNRESET');
    const [line] = await node.said(new RegExp(`^\\{.*"code":"${code}".*"connection failed".*$`, 'm'));
    expect(JSON.parse(line)).toMatchObject({ level: 40, target, error: expect.stringMatching(/\w+ \w+/) });
  }
  expect((await rig.run('curl', curl(rig, good, '/'))).code).toBe(0);
});

test('a token that is none of a dialer is told in the log, and never shown', async () => {
  await using rig = new Rig();
  const { port } = await apiServer(rig);
  const world = await ControlPlane.start(rig, port);
  rig.write('other-secret', 'another secret of the tests, long enough, too\n');
  const forged = ['--secret-file', rig.path('other-secret'), '--dial', '*'];
  const { stdout } = await rig.run(rig.fairleadPath, ['token', ...forged]);
  rig.write('forged.token', stdout.toString());
  for (const [token, code] of [
    ['forged.token', 'ERR_UNAUTHORIZED'],
    ['edge-1.token', 'ERR_FORBIDDEN'],
  ] as const) {
    const node = world.node([`0=control-plane:control-plane:${port}`], token);
    const [local = 0] = await node.ports();
    expect(await fateOf(local)).toBe('ECONNRESET');
    await node.said(new RegExp(`"code":"${code}".*"connection failed"`));
    expect(node.log).not.toContain(readFileSync(rig.path(token), 'utf8').trim());
    expect(await node.kill('SIGTERM')).toBe(0);
  }
});

test('an agent that cannot have its port says so and is never registered', async () => {
  await using rig = new Rig();
  const taken = await listen(rig, (socket) => socket.destroy());
  const world = await ControlPlane.start(rig, taken);
  const node = world.node([`${taken}=control-plane:control-plane:${taken}`]);
  expect(await node.exited).toBe(1);
  expect(node.log).toBe(
    `fairlead: the address 127.0.0.1:${taken} is in use: stop what listens there or choose another port\n`,
  );
  expect(world.broker.log).not.toContain('edge-1');
});

test('an agent that is told to stop lets open connections finish and takes no more; a second time, it ends', async () => {
  await using rig = new Rig();
  let sayMore: () => void = () => {};
  const port = await listen(rig, (socket) => {
    socket.write('first ');
    sayMore = () => socket.end('last');
  });
  const world = await ControlPlane.start(rig, port);
  const listens = [`0=control-plane:control-plane:${port}`];
  const node = world.node(listens);
  const [local = 0] = await node.ports();
  const socket = connect({ port: local, host: '127.0.0.1' });
  let heard = '';
  socket.on('data', (chunk) => {
    heard += chunk;
  });
  await once(socket, 'data');
  node.child.kill('SIGTERM');
  await node.said(/"draining"/);
  expect(await fateOf(local)).toBe('ECONNREFUSED');
  sayMore();
  await once(socket, 'end');
  socket.end();
  expect(heard).toBe('first last');
  expect(await node.exited).toBe(0);

  const stubborn = world.node(listens);
  const [second = 0] = await stubborn.ports();
  const held = connect({ port: second, host: '127.0.0.1' }).on('error', () => {});
  await once(held, 'data');
  stubborn.child.kill('SIGTERM');
  await stubborn.said(/"draining"/);
  expect(await stubborn.kill('SIGTERM')).toBe(128 + 15);
  held.destroy();
});
