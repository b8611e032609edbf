// What else brings a connection to the target: chains of plain relays, OpenSSH, Wisp. Each as its manual recommends.

import { existsSync, mkdirSync } from 'node:fs';
import { freePort } from '../../test/rig/free-port.ts';
import type { Path, Processes, Started } from '../processes.ts';
import { makeCertificate } from './certificate.ts';

/** Nothing in between. */
export function direct(target: Started): Path {
  return { name: 'direct', port: target.port, processes: {} };
}

/** `hops` plain TCP relays in Node, each a process. */
export async function nodeChain(processes: Processes, target: number, hops: number): Promise<Path> {
  const relays: Record<string, Started> = {};
  let port = target;
  for (let hop = hops; hop >= 1; hop -= 1) {
    const relay = await processes.script('subjects/plain-relay', String(port));
    relays[`relay${hop}`] = relay;
    port = relay.port;
  }
  return { name: `chain-${hops}`, port, processes: relays };
}

/** Two links of `ws` over TLS between three processes, and nothing else: what Fairlead's links cost by themselves. */
export async function wssChain(processes: Processes, target: number): Promise<Path> {
  const { cert, key } = makeCertificate(processes, 'wss-chain');
  const relay = (from: string, to: string, port: number) =>
    processes.script('subjects/wss-relay', from, to, String(port), cert, key);
  const last = await relay('wss', 'tcp', target);
  const middle = await relay('wss', 'wss', last.port);
  const first = await relay('tcp', 'wss', middle.port);
  return { name: 'wss-chain', port: first.port, processes: { first, middle, last } };
}

/** Three relays by socat, with the buffer that its manual names for bulk (`-b`) and a process for each connection. */
export async function socatChain(processes: Processes, target: number): Promise<Path> {
  const relays: Record<string, Started> = {};
  let to = target;
  for (let hop = 3; hop >= 1; hop -= 1) {
    const port = await freePort();
    const listen = `TCP-LISTEN:${port},bind=127.0.0.1,fork,reuseaddr,nodelay,backlog=1024`;
    const args = ['-d', '-d', '-b', '65536', listen, `TCP:127.0.0.1:${to},nodelay`];
    relays[`socat${hop}`] = await processes.start('socat', args, { ready: /listening on/ });
    to = port;
  }
  return { name: 'socat-3', port: to, processes: relays };
}

/** `ssh -R`: a listening port at the server, two processes, encrypted; the server's own defaults. */
export async function openssh(processes: Processes, target: number): Promise<Path> {
  const sshd = '/usr/sbin/sshd';
  if (!existsSync(sshd)) throw new Error('there is no sshd: apt-get install openssh-server');
  mkdirSync('/run/sshd', { recursive: true });
  for (const name of ['host', 'user'])
    processes.run('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-f', processes.path(`ssh-${name}`));
  const port = await freePort();
  const config = processes.write(
    'sshd_config',
    [
      `ListenAddress 127.0.0.1:${port}`,
      `HostKey ${processes.path('ssh-host')}`,
      `AuthorizedKeysFile ${processes.path('ssh-user.pub')}`,
      `PidFile ${processes.path('sshd.pid')}`,
      'StrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\nLogLevel VERBOSE\n',
    ].join('\n'),
  );
  const ready = /Server listening/;
  const server = await processes.start(sshd, ['-D', '-e', '-f', config], { ready });
  const listen = await freePort();
  const client = await processes.start(
    'ssh',
    [
      ...['-F', 'none', '-i', processes.path('ssh-user'), '-p', String(port), '-N', '-v'],
      ...['-o', 'StrictHostKeyChecking=no', '-o', 'UserKnownHostsFile=/dev/null', '-o', 'BatchMode=yes'],
      ...['-o', 'ExitOnForwardFailure=yes', '-R', `127.0.0.1:${listen}:127.0.0.1:${target}`, '127.0.0.1'],
    ],
    { ready: /remote forward success/ },
  );
  // The daemon forks for a connection: its child does the work.
  const children = processes.run('pgrep', '-P', String(server.pid)).trim().split('\n').map(Number);
  const worker = { pid: children[0] ?? server.pid, port: 0 };
  return { name: 'openssh-R', port: listen, processes: { sshd: worker, ssh: client } };
}

/** Wisp: a client process that listens, and a server that connects to the target: one WebSocket, plain. */
export async function wisp(processes: Processes, target: number): Promise<Path> {
  const server = await processes.script('subjects/wisp-server');
  const client = await processes.script('subjects/wisp-client', String(server.port), String(target));
  return { name: 'wisp', port: client.port, processes: { server, client } };
}
