// Real programs that stand behind the documentation's commands, each with a configuration of its own.

import { chmodSync, existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

interface Place {
  /** Of this program alone. */
  readonly directory: string;
  readonly results: string;
  readonly run: (command: string, args: readonly string[], ready: RegExp) => Promise<void>;
}

type Start = (place: Place, ...words: string[]) => Promise<void>;

/** Where a node has a network of its own, a program runs in that. */
function inside(node: string | undefined, words: readonly string[]): [string, string[]] {
  const all =
    node === undefined
      ? words
      : [
          'ip',
          'netns',
          'exec',
          node,
          'unshare',
          '--uts',
          ...['sh', '-c', 'hostname "$0"; exec "$@"', node],
          ...words,
        ];
  return [all[0] ?? '', all.slice(1)];
}

export const programs: Readonly<Record<string, Start>> = {
  /** `sshd [NODE]`: at port 22, for the reader's key. */
  sshd: ({ directory, results, run }, node) => {
    const configuration = [
      'ListenAddress 127.0.0.1:22',
      `HostKey ${join(results, 'host_key')}`,
      `AuthorizedKeysFile ${join(results, 'user_key.pub')}`,
      `PidFile ${join(directory, 'pid')}`,
      'StrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nSubsystem sftp internal-sftp\n',
    ];
    const file = join(directory, 'config');
    writeFileSync(file, configuration.join('\n'));
    return run(...inside(node, ['/usr/sbin/sshd', '-D', '-e', '-f', file]), /listening on/i);
  },
  redis: ({ directory, run }) =>
    run(
      'redis-server',
      ['--bind', '127.0.0.1', '--port', '6379', '--save', '', '--dir', directory],
      /Ready to accept connections/,
    ),
  /** With a user and a database `app`, as whoever may: the server refuses to be root. */
  postgres: ({ directory, run }) => {
    const bin = ['17', '16', '15']
      .map((version) => `/usr/lib/postgresql/${version}/bin`)
      .find((it) => existsSync(it));
    if (bin === undefined) throw new Error('there is no PostgreSQL: apt-get install postgresql');
    chmodSync(directory, 0o777);
    const script = `
      ${bin}/initdb --no-sync --username=app --auth=trust --pgdata=data >/dev/null
      echo 'create database app' | ${bin}/postgres --single -D data postgres >/dev/null
      exec ${bin}/postgres -D data -c listen_addresses=127.0.0.1 -c unix_socket_directories=. -c fsync=off`;
    const words = ['setpriv', '--reuid=postgres', '--regid=postgres', '--clear-groups'];
    return run(
      ...inside(undefined, [...words, 'sh', '-ec', `cd ${directory}\n${script}`]),
      /ready to accept connections/,
    );
  },
  /** `nats PORT…` */
  nats: async ({ run }, ...ports) => {
    for (const port of ports)
      await run('nats-server', ['--addr', '127.0.0.1', '--port', port], /Server is ready/);
  },
};
