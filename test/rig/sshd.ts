// A real sshd for one test: own keys, own configuration, a free loopback port.

import { existsSync, mkdirSync } from 'node:fs';
import { userInfo } from 'node:os';
import { freePort } from './free-port.ts';
import type { Rig } from './rig.ts';

const sshdPath = '/usr/sbin/sshd';

export interface Sshd {
  readonly port: number;
  readonly user: string;
  /** Options for ssh and scp: the user's key, the host's key, nothing of the machine's own. */
  readonly options: string[];
}

export async function startSshd(rig: Rig): Promise<Sshd> {
  if (!existsSync(sshdPath))
    throw new Error('there is no sshd: apt-get install openssh-server, or run scripts/test');
  mkdirSync('/run/sshd', { recursive: true });
  for (const key of ['host_key', 'user_key']) {
    const made = await rig.run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', rig.path(key)]);
    if (made.code !== 0) throw new Error(made.stderr);
  }
  const port = await freePort();
  rig.write(
    'sshd_config',
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${rig.path('host_key')}`,
      `AuthorizedKeysFile ${rig.path('user_key.pub')}`,
      `PidFile ${rig.path('sshd.pid')}`,
      'StrictModes no',
      'UsePAM no',
      'PermitRootLogin prohibit-password',
      'Subsystem sftp internal-sftp',
      '',
    ].join('\n'),
  );
  const sshd = rig.start(sshdPath, ['-D', '-e', '-f', rig.path('sshd_config')]);
  await sshd.said(/listening on/i);
  const { stdout } = await rig.run('ssh-keygen', ['-y', '-f', rig.path('host_key')]);
  rig.write('known_hosts', `node ${stdout.toString().split(' ').slice(0, 2).join(' ').trim()}\n`);
  const settings = [
    'HostKeyAlias=node',
    `UserKnownHostsFile=${rig.path('known_hosts')}`,
    'StrictHostKeyChecking=yes',
    'BatchMode=yes',
  ];
  return {
    port,
    user: userInfo().username,
    options: ['-F', 'none', '-i', rig.path('user_key'), ...settings.flatMap((setting) => ['-o', setting])],
  };
}
