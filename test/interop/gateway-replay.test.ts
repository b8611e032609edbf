// kube-apiserver's side of CONNECT, at byte level. What it suffers least: a byte of the target in the read that brings
// the head.

import { execFile } from 'node:child_process';
import { existsSync, statSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { connect as connectBroker } from '../../src/client/index.ts';
import { startGateway } from '../../src/gateway/index.ts';
import { connectThrough, Gateway, readAll } from '../rig/gateway.ts';
import { Network, Rig } from '../rig/rig.ts';
import { listen } from '../rig/targets.ts';

const replayClient = fileURLToPath(new URL('../../dist/test/rig/replay-client.js', import.meta.url));
const head = 'HTTP/1.1 200 Connection established\r\n\r\n';
const banner = '220 the target speaks first\n';

interface Dial {
  readonly statusLine: string;
  readonly beyond: number;
  readonly banner: string;
}

function replay(path: string, authority: string, count: number): Promise<Dial[]> {
  return new Promise((resolve, reject) => {
    execFile(
      process.execPath,
      [replayClient, path, authority, String(count)],
      { maxBuffer: 1 << 24 },
      (error, out) => {
        if (error === null) resolve(JSON.parse(out) as Dial[]);
        else reject(error);
      },
    );
  });
}

test('500 dials at once over the UNIX socket each get the head alone, though the target speaks first', async () => {
  await using rig = new Rig();
  let open = 0;
  const port = await listen(rig, (socket) => {
    open += 1;
    socket.once('close', () => {
      open -= 1;
    });
    socket.on('end', () => socket.end());
    socket.write(banner);
  });
  const network = await Network.start(rig, `127.0.0.1:${port}`);
  const path = rig.path('connect.sock');
  const gateway = await Gateway.start(rig, network, '--http-connect', `unix:${path}`);
  expect(gateway.listen).toEqual([`unix:${path}`]);
  expect(statSync(path).mode & 0o777).toBe(0o660);

  const dials = await replay(path, `edge-1:${port}`, 500);
  expect(dials.length).toBe(500);
  for (const dial of dials)
    expect(dial).toEqual({ statusLine: 'HTTP/1.1 200 Connection established', beyond: 0, banner });
  // Every client has left, and so has the gateway from every target.
  while (open > 0) await new Promise((resolve) => setTimeout(resolve, 10));
});

test('a client that reads late still reads the head alone, and would not without the wait', async () => {
  await using rig = new Rig();
  const port = await listen(rig, (socket) => socket.write(banner));
  const network = await Network.start(rig, `127.0.0.1:${port}`);
  await using broker = connectBroker({ url: network.url, token: network.dialToken });
  for (const [serverFirstGraceMs, first] of [
    [10_000, head],
    [0, head + banner],
  ] as const) {
    const path = rig.path(`${serverFirstGraceMs}.sock`);
    const httpConnect = [{ kind: 'unix', path } as const];
    const gateway = await startGateway({ broker, httpConnect, serverFirstGraceMs });
    const socket = connect({ path }).pause();
    socket.write(`CONNECT edge-1:${port} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
    await sleep(1_500);
    expect(String(await new Promise((resolve) => socket.once('data', resolve).resume()))).toBe(first);
    socket.destroy();
    await gateway.close();
  }
}, 60_000);

test('what is said with the request is the target’s, in order, and opens the way for its own words', async () => {
  await using rig = new Rig();
  const port = await listen(rig, (socket) => {
    socket.write(banner);
    socket.on('data', (chunk) => socket.write(chunk));
  });
  const network = await Network.start(rig, `127.0.0.1:${port}`);
  const path = rig.path('connect.sock');
  await Gateway.start(rig, network, '--http-connect', `unix:${path}`);
  const eager = connect({ path });
  eager.write(`CONNECT edge-1:${port} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\nfirst`);
  let got = '';
  let hasSaidMore = false;
  eager.on('data', (chunk) => {
    got += chunk;
    if (got.includes('first') && !hasSaidMore) {
      hasSaidMore = true;
      eager.write('second');
    }
    if (got.includes('second')) eager.destroy();
  });
  await readAll(eager);
  expect(got).toBe(`${head}${banner}firstsecond`);
});

test('Host is for nobody: the request target alone says where it goes, a bracketed IPv6 address too', async () => {
  await using rig = new Rig();
  const server = createServer((socket) => socket.on('error', () => {}).end('over IPv6\n'));
  await new Promise<void>((resolve) => server.listen(0, '::1', resolve));
  rig.defer(() => server.close());
  const { port } = server.address() as { port: number };
  const path = rig.path('connect.sock');
  rig.write('secret', 'a secret of the tests, long enough for HS256\n');
  const network = await Network.start(rig, `[::1]:${port}`);
  rig.write('agent.token', await rig.token('--agent', 'edge-1', '--route', '::1'));
  await network.agent.kill();
  network.agent = network.startAgent(`[::1]:${port}`, ['--route', '::1']);
  await network.agent.ports();
  await Gateway.start(rig, network, '--http-connect', `unix:${path}`);
  for (const host of ['127.0.0.1', 'nobody.example:1']) {
    const socket = connect({ path });
    socket.write(`CONNECT [0:0::1]:${port} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
    expect((await readAll(socket)).toString()).toMatch(/^HTTP\/1.1 200 [^\r]*\r\n\r\nover IPv6\n$/);
  }
});

test('a stale socket file is replaced; a live one, and what is no socket, are left alone', async () => {
  await using rig = new Rig();
  const network = await Network.start(rig);
  const path = rig.path('connect.sock');
  const first = await Gateway.start(rig, network, '--http-connect', `unix:${path}`);
  const args = ['gateway', ...network.access(), '--http-connect'];
  const second = await rig.run(rig.fairleadPath, [...args, `unix:${path}`]);
  expect([second.code, second.stderr]).toEqual([
    1,
    expect.stringMatching(/^fairlead: [^\n]*served by another process[^\n]*\n$/),
  ]);
  expect((await readAll(connect({ path }).end('GET / HTTP/1.1\r\n\r\n'))).toString()).toContain('405');

  await first.program.kill('SIGKILL');
  expect(existsSync(path)).toBe(true);
  const third = await Gateway.start(rig, network, '--http-connect', `unix:${path}`);
  expect((await readAll(connect({ path }).end('GET / HTTP/1.1\r\n\r\n'))).toString()).toContain('405');
  expect(await third.program.kill('SIGTERM')).toBe(0);
  expect(existsSync(path)).toBe(false);

  const file = rig.write('a-file', 'precious');
  const notASocket = await rig.run(rig.fairleadPath, [...args, `unix:${file}`]);
  expect([notASocket.code, notASocket.stderr]).toEqual([
    1,
    expect.stringMatching(/^fairlead: [^\n]*is not a socket[^\n]*\n$/),
  ]);
  expect(existsSync(file)).toBe(true);

  const nowhere = await rig.run(rig.fairleadPath, [...args, `unix:${rig.path('no/such/directory')}`]);
  expect([nowhere.code, nowhere.stderr]).toEqual([
    1,
    expect.stringMatching(/^fairlead: cannot listen at [^\n]*its directory must be there[^\n]*\n$/),
  ]);

  // A second signal does not wait, and removes the file all the same.
  const port = await listen(rig, () => {});
  const last = await Gateway.start(rig, network, '--http-connect', `unix:${path}`);
  const { socket } = await connectThrough({ path }, `edge-1:${port}`);
  last.program.child.kill('SIGTERM');
  await last.program.said(/"msg":"draining"/);
  expect(await last.program.kill('SIGTERM')).toBe(143);
  expect(existsSync(path)).toBe(false);
  socket.destroy();
});
