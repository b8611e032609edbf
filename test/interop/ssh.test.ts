import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { Network, Rig } from '../rig/rig.ts';
import { startSshd } from '../rig/sshd.ts';

test('ssh runs commands on the node through dial as its ProxyCommand, and scp copies exactly', async () => {
  await using rig = new Rig();
  const sshd = await startSshd(rig);
  const network = await Network.start(rig, `127.0.0.1:${sshd.port}`);
  const proxy = `ProxyCommand=${rig.fairleadPath} dial ${network.access().join(' ')} edge-1 127.0.0.1:${sshd.port}`;
  const ssh = ['-o', proxy, ...sshd.options];
  const target = `${sshd.user}@node`;

  const hello = await rig.run('ssh', [...ssh, target, 'echo hello; exit 7']);
  expect(hello.stdout.toString(), hello.stderr).toBe('hello\n');
  expect(hello.code).toBe(7);

  // Standard input up to its end, so both directions half-close.
  const input = randomBytes(3_000_000);
  const hashed = await rig.run('ssh', [...ssh, target, 'sha256sum'], input);
  expect(hashed.stdout.toString().slice(0, 64)).toBe(createHash('sha256').update(input).digest('hex'));

  const file = randomBytes(64 * 1024 * 1024);
  writeFileSync(rig.path('there'), file);
  const scp = await rig.run('scp', ['-q', ...ssh, `${target}:${rig.path('there')}`, rig.path('back')]);
  expect(scp.code, scp.stderr).toBe(0);
  expect(readFileSync(rig.path('back')).equals(file)).toBe(true);
});
