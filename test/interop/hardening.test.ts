// The command lines of docs/security.md, "The process", as they stand there: nobody's rights, no capabilities, and no
// files but their own. Only paths, the user, the broker's address and the ports are put in.

import { chmodSync, chownSync, cpSync, mkdirSync, readFileSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { Authority } from '../rig/certificates.ts';
import { type Program, Rig } from '../rig/rig.ts';
import { connectTo, listen, readPattern, writePattern } from '../rig/targets.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const document = readFileSync(join(project, 'docs/security.md'), 'utf8');
const isRoot = process.getuid?.() === 0;
/** Whoever runs the tests where that is not root; else nobody. */
const [uid, gid] = isRoot ? [65_534, 65_534] : [process.getuid?.() ?? 0, process.getgid?.() ?? 0];

/** What is documented for one command, word by word. */
function documented(command: string, rig: Rig): string[] {
  const block = document.split('\n\n').find((text) => text.includes(`bin/fairlead ${command} `)) ?? '';
  const words = block.replaceAll(/\/(opt|etc|var\/log)\/fairlead\b/g, (path) => rig.path(path.slice(1)));
  const all = words.trim().split(/\s+/);
  expect(all.slice(0, 3)).toEqual(['setpriv', '--reuid', 'fairlead']);
  // Whoever is not root has nothing to give up but the way back.
  const rights = isRoot
    ? ['--reuid', String(uid), '--regid', String(gid), ...all.slice(5, all.indexOf('node'))]
    : ['--no-new-privs'];
  return ['setpriv', ...rights, process.execPath, ...all.slice(all.indexOf('node') + 1)];
}

function replaced(words: readonly string[], flag: string, value: string): string[] {
  expect(words).toContain(flag);
  return words.map((word, i) => (words[i - 1] === flag ? value : word));
}

/** What is installed where there is no way for nobody to read this checkout. */
function install(rig: Rig): void {
  for (const part of ['bin', 'dist/command', 'package.json'])
    cpSync(join(project, part), join(rig.path('opt/fairlead'), part), { recursive: true });
}

/** Fields of /proc/PID/status. */
function statusOf(program: Program): Record<string, string> {
  const lines = readFileSync(`/proc/${program.child.pid}/status`, 'utf8').trim().split('\n');
  return Object.fromEntries(lines.map((line) => line.split(/:\s*/, 2) as [string, string]));
}

function start(rig: Rig, [command = '', ...args]: readonly string[]): Program {
  return rig.start(command, args);
}

test('broker and agent run as documented: without root, capabilities or files of others', async () => {
  await using rig = new Rig();
  chmodSync(rig.directory, 0o755);
  for (const directory of ['opt/fairlead', 'etc/fairlead', 'var/log/fairlead'])
    mkdirSync(rig.path(directory), { recursive: true });
  install(rig);
  const ca = await Authority.create(rig, 'ca');
  const { cert, key } = await ca.issue('broker', { san: 'IP:127.0.0.1' });
  rig.write('secret', 'a secret of the tests, long enough for HS256\n');
  rig.write('agent.token', await rig.token('--agent', 'edge-1'));
  rig.write('dial.token', await rig.token('--dial', 'edge-*'));
  const files = { 'chain.pem': cert, 'key.pem': key, 'ca.pem': ca.cert };
  for (const name of ['secret', 'agent.token'] as const) Object.assign(files, { [name]: rig.path(name) });
  for (const [name, from] of Object.entries(files)) cpSync(from, rig.path(`etc/fairlead/${name}`));
  for (const name of Object.keys(files)) {
    chmodSync(rig.path(`etc/fairlead/${name}`), 0o400);
    chownSync(rig.path(`etc/fairlead/${name}`), uid, gid);
  }
  chownSync(rig.path('var/log/fairlead'), uid, gid);

  const brokerCommand = replaced(documented('broker', rig), '--listen', '127.0.0.1:0');
  const broker = start(rig, brokerCommand);
  const [port = 0] = await broker.ports();
  const url = `wss://127.0.0.1:${port}`;
  const agentCommand = replaced(documented('agent', rig), '--broker', url);
  const agent = start(rig, replaced(agentCommand, '--allow', '127.0.0.1:*'));
  await agent.ports();

  for (const program of [broker, agent]) {
    const { Uid, Gid, Groups, NoNewPrivs, CapEff, CapPrm, CapBnd } = statusOf(program);
    expect(Uid?.split('\t')).toEqual(Array(4).fill(String(uid)));
    expect(Gid?.split('\t')).toEqual(Array(4).fill(String(gid)));
    expect([Uid?.startsWith('0'), NoNewPrivs, CapEff, CapPrm]).toEqual([
      ...[false, '1', '0000000000000000', '0000000000000000'],
    ]);
    if (isRoot) expect([Groups?.trim() ?? '', CapBnd]).toEqual(['', '0000000000000000']);
  }

  const echo = await listen(rig, (socket) => socket.pipe(socket));
  const forward = rig.fairlead(
    ...['forward', '--broker', url, '--ca', ca.cert, '--token-file', rig.path('dial.token')],
    `0:edge-1:127.0.0.1:${echo}`,
  );
  const [local = 0] = await forward.ports();
  const socket = connectTo(local);
  const read = readPattern(socket);
  await writePattern(socket, 3_000_000);
  expect(await read).toBe(3_000_000);
  await expect
    .poll(() => readFileSync(rig.path('var/log/fairlead/agent.jsonl'), 'utf8'))
    .toContain('stream-closed');
  expect(readFileSync(rig.path('var/log/fairlead/broker.jsonl'), 'utf8')).toContain('link-opened');

  // A certificate that is renewed is followed here as anywhere.
  const next = await ca.issue('next', { san: 'IP:127.0.0.1' });
  for (const [from, to] of [
    [next.cert, 'chain.pem'],
    [next.key, 'key.pem'],
  ] as const) {
    chownSync(from, uid, gid);
    renameSync(from, rig.path(`etc/fairlead/${to}`));
  }
  await broker.said(/"certificate-loaded"/);

  for (const [flag, path, permission] of [
    ['--auth-secret-file', rig.path('dial.token'), 'FileSystemRead'],
    ['--audit-log', rig.path('etc/fairlead/ours.jsonl'), 'FileSystemWrite'],
  ] as const) {
    const [command = '', ...args] = replaced(brokerCommand, flag, path);
    const { code, stderr } = await rig.run(command, args);
    expect([code, stderr]).toEqual([
      ...[
        1,
        expect.stringContaining(`fairlead: Node's permission model does not allow ${permission} of ${path}`),
      ],
    ]);
  }
});
