// OpenSSH and git through CONNECT, with a proxy command that knows nothing but HTTP.

import { createHash, randomBytes } from 'node:crypto';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Gateway } from '../rig/gateway.ts';
import { Network, Rig } from '../rig/rig.ts';
import { startSshd } from '../rig/sshd.ts';

/** As `nc -X connect`: node connect.cjs PROXY-PORT HOST PORT. */
const proxyCommand = `
const [port, host, hostPort] = process.argv.slice(2);
const request = require('node:http').request({ host: '127.0.0.1', port, method: 'CONNECT', path: host + ':' + hostPort });
request.on('connect', (response, socket, head) => {
  if (response.statusCode !== 200) {
    console.error(response.statusCode + ' ' + response.statusMessage);
    process.exit(1);
  }
  process.stdout.write(head);
  process.stdin.pipe(socket);
  socket.pipe(process.stdout);
  socket.on('close', () => process.exit());
});
request.end();
`;

test('ssh, scp of 64 MiB and git clone go through the gateway', async () => {
  await using rig = new Rig();
  const sshd = await startSshd(rig);
  const network = await Network.start(rig, `127.0.0.1:${sshd.port}`);
  const gateway = await Gateway.start(rig, network, '--http-connect', '127.0.0.1:0');
  const helper = rig.write('connect.cjs', proxyCommand);
  const proxy = `ProxyCommand=${process.execPath} ${helper} ${gateway.port()} edge-1 ${sshd.port}`;
  const ssh = ['-o', proxy, ...sshd.options];
  const target = `${sshd.user}@node`;

  const hello = await rig.run('ssh', [...ssh, target, 'cat; exit 7'], 'hello');
  expect([hello.code, hello.stdout.toString()], hello.stderr).toEqual([7, 'hello']);

  const file = randomBytes(64 * 1024 * 1024);
  writeFileSync(rig.path('there'), file);
  const scp = await rig.run('scp', ['-q', ...ssh, rig.path('there'), `${target}:${rig.path('copy')}`]);
  expect(scp.code, scp.stderr).toBe(0);
  const hash = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');
  expect(hash(readFileSync(rig.path('copy')))).toBe(hash(file));

  const repository = rig.path('repository');
  mkdirSync(repository);
  writeFileSync(rig.path('repository/data'), file.subarray(0, 5_000_000));
  const who = ['-c', 'user.name=test', '-c', 'user.email=test@example.com'];
  for (const args of [
    ['init', '-q'],
    ['add', '.'],
    [...who, 'commit', '-q', '-m', 'one'],
  ]) {
    const made = await rig.run('git', ['-C', repository, ...args]);
    expect(made.code, made.stderr).toBe(0);
  }
  const quoted = ssh.map((word) => `'${word}'`).join(' ');
  const env = { GIT_SSH_COMMAND: `ssh ${quoted}`, GIT_CONFIG_NOSYSTEM: '1' };
  const clone = ['clone', '-q', `ssh://${target}${repository}`, rig.path('clone')];
  const cloned = await rig.run('git', clone, '', { env });
  expect(cloned.code, cloned.stderr).toBe(0);
  expect(readFileSync(rig.path('clone/data')).equals(file.subarray(0, 5_000_000))).toBe(true);

  // What ssh shows of a refusal is what the proxy command says: the reason phrase has the cause.
  const wrong = `ProxyCommand=${process.execPath} ${helper} ${gateway.port()} edge-1 1`;
  const refused = await rig.run('ssh', ['-o', wrong, ...sshd.options, target, 'true']);
  expect(refused.stderr).toMatch(/403 the agent's allow list does not name .*ERR_TARGET_DENIED/);
}, 60_000);
