// UNIX sockets behind a node: only what the owner named, and what links lead to, is reached.

import { mkdirSync, readFileSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { AllowList } from '../../src/agent/allow.ts';
import { connect } from '../../src/client/index.ts';
import { Network, Rig } from '../rig/rig.ts';
import { connectTo } from '../rig/targets.ts';

test('a socket that is named is reached by dial and by forward, and no other is', async () => {
  await using rig = new Rig();
  for (const name of ['open', 'shut']) {
    mkdirSync(rig.path(name));
    const server = createServer((socket) => void socket.pipe(socket));
    await new Promise<void>((resolve) => server.listen(rig.path(`${name}/app.sock`), resolve));
    rig.defer(() => server.close());
  }
  symlinkSync(rig.path('shut/app.sock'), rig.path('open/link.sock'));
  symlinkSync(rig.path('open/app.sock'), rig.path('open/alias.sock'));
  rig.write('open/file', 'no socket');
  const network = await Network.start(rig, `unix:${rig.path('open')}/*`, ['--allow', '*:*']);
  const dial = async (path: string, tokenFile = rig.path('dial.token')) => {
    const args = [
      'dial',
      '--broker',
      network.url,
      '--token-file',
      tokenFile,
      'edge-1',
      `unix:${rig.path(path)}`,
    ];
    const { code, stdout, stderr } = await rig.run(rig.fairleadPath, args, 'hello');
    return code === 0 ? stdout.toString() : stderr;
  };
  const narrow = rig.write('narrow', await rig.token('--dial', 'edge-1', '--target', '*:*'));
  const exact = rig.write(
    'exact',
    await rig.token('--dial', 'edge-1', '--target', `unix:${rig.path('open/app.sock')}`),
  );
  const said = await Promise.all([
    dial('open/app.sock'),
    dial('open/alias.sock'),
    dial('shut/app.sock'),
    dial('open/link.sock'),
    dial('open/../shut/app.sock'),
    dial('open/none.sock'),
    dial('open/file'),
    dial('open/app.sock', narrow),
    dial('open/app.sock', exact),
  ]);
  expect(said).toEqual([
    'hello',
    'hello',
    ...[1, 2, 3].map(() => expect.stringMatching('ERR_TARGET_DENIED')),
    expect.stringMatching(/no such socket.*ECONNREFUSED/),
    expect.stringMatching('ERR_TARGET_FAILED'),
    expect.stringMatching('ERR_GRANT_DENIED'),
    'hello',
  ]);
  const forward = rig.fairlead('forward', ...network.access(), `0:edge-1:unix:${rig.path('open/app.sock')}`);
  const [port = 0] = await forward.ports();
  const socket = connectTo(port);
  socket.end('forwarded');
  let back = '';
  for await (const chunk of socket) back += chunk;
  expect(back).toBe('forwarded');
});

test('a program names a socket by its path, encrypted or not, and is told where what it names is no target', async () => {
  await using rig = new Rig();
  const path = rig.path('app.sock');
  const server = createServer((socket) => void socket.pipe(socket));
  await new Promise<void>((resolve) => server.listen(path, resolve));
  rig.defer(() => server.close());
  const pins: string[] = [];
  for (const name of ['agent.pem', 'dialer.pem']) {
    const args = ['keys', '--e2e', '--json', '--key-file', rig.path(name)];
    pins.push(JSON.parse((await rig.run(rig.fairleadPath, args)).stdout.toString()).pin);
  }
  const network = await Network.start(rig, `unix:${path}`, [
    ...['--e2e-key', rig.path('agent.pem'), '--e2e-peers', rig.write('dialers', `${pins[1]} program\n`)],
  ]);
  const access = { url: network.url, token: network.dialToken };
  const e2e = { key: readFileSync(rig.path('dialer.pem'), 'utf8'), peers: `${pins[0]} edge-*\n` };
  await using plain = connect(access);
  await using sealed = connect({ ...access, e2e });
  for (const broker of [plain, sealed]) {
    const socket = await broker.dial({ node: 'edge-1', path });
    let back = '';
    socket.end('by its path');
    for await (const chunk of socket) back += chunk;
    expect(back).toBe('by its path');
  }
  const node = 'edge-1';
  for (const [options, says] of [
    [{ node }, 'option "host": a host and a port, or the path of a UNIX socket'],
    [{ node, host: 'localhost' }, 'option "port": must be there'],
    [{ node, path, host: 'localhost', port: 1 }, 'option "path": is for a UNIX socket, which has no host'],
    [{ node, path, port: 1 }, 'option "path": is for a UNIX socket, which has no host'],
    [{ node, path: 'app.sock' }, 'option "path": an absolute path'],
    [{ node, path: '/run/../app.sock' }, 'option "path": an absolute path'],
    [{ node, path: `/${'x'.repeat(107)}` }, 'option "path": an absolute path'],
  ] as const)
    await expect(plain.dial(options as never)).rejects.toMatchObject({
      code: 'ERR_CONFIG',
      message: expect.stringContaining(says),
    });
});

test.each([
  'unix:relative',
  'unix:/a/../b',
  'unix:/a//b',
  'unix:/a/*/b',
  'unix:',
  `unix:/${'x'.repeat(107)}`,
])('%s is no rule', (rule) => {
  expect(() => new AllowList([rule])).toThrow(expect.objectContaining({ code: 'ERR_CONFIG' }));
});
