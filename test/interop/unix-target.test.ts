// UNIX sockets behind a node: only what the owner named, and what links lead to, is reached.

import { mkdirSync, symlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { AllowList } from '../../src/agent/allow.ts';
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
