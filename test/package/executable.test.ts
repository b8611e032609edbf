// The agent as one file: built here, and run in an empty chroot, where there is no Node.

import { createHash, randomBytes } from 'node:crypto';
import { readFileSync, statSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Network, Rig } from '../rig/rig.ts';
import { type Chroot, makeChroot } from './chroot.ts';
import { project } from './tarball.ts';

const executable = join(project, 'dist/fairlead-agent');
const inside = '/fairlead-agent';
const rig = new Rig();
let chroot: Chroot;

beforeAll(async () => {
  const { code, stderr } = await rig.run(process.execPath, [join(project, 'dist/scripts/executable.js')]);
  if (code !== 0) throw new Error(stderr);
  chroot = makeChroot(rig.path('root'), executable);
});
afterAll(() => rig[Symbol.asyncDispose]());

/** Nothing of this machine's environment means anything there. */
const env = Object.fromEntries(Object.keys(process.env).map((name) => [name, undefined]));

function run(...args: string[]) {
  const [command, ...before] = chroot.command;
  return rig.run(command, [...before, inside, ...args], '', { env });
}

/** The figure of that name in the table of docs/packages.md, in MiB. */
function recordedMib(name: string): number {
  const text = readFileSync(join(project, 'docs/packages.md'), 'utf8');
  return Number(new RegExp(`^\\| ${name} \\| ([\\d.]+) MiB`, 'm').exec(text)?.[1]);
}

test('there is nothing in the chroot but the executable and the libraries of the system', () => {
  const [program, ...libraries] = chroot.files();
  expect(program).toBe(inside);
  for (const path of libraries) expect(path).toMatch(/^\/(usr\/)?lib.*\.so(\.\d+)*$/);
  expect(libraries.length).toBeLessThan(12);
});

test('it says its version, its help, and what is wrong, with the exit codes of the command', async () => {
  const { version } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { version: string };
  expect(await run('--version')).toMatchObject({ code: 0, stdout: Buffer.from(`${version}\n`), stderr: '' });

  const help = await run('--help');
  expect(help).toMatchObject({ code: 0, stderr: '' });
  const text = help.stdout.toString();
  expect(text).toMatch(/^Usage: fairlead-agent \[options\]/);
  // The same flags and examples as the command's, under its own name.
  const command = await rig.run(rig.fairleadPath, ['agent', '--help']);
  const flags = (of: string) => of.match(/^ {2}(-\w, )?--[\w-]+/gm)?.filter((flag) => !/version/.test(flag));
  expect(flags(text)).toEqual(flags(command.stdout.toString()));
  expect(text).not.toContain('fairlead agent');

  const lacking = await run('--node', 'edge-1');
  expect(lacking.code).toBe(2);
  expect(lacking.stderr).toBe(
    'fairlead: required option \'--allow <host:port...>\' not specified; see "fairlead-agent --help"\n',
  );
  const away = await run(
    ...['--broker', 'ws://127.0.0.1:1', '--node', 'edge-1', '--token-file', '/no/token', '--allow', '*:*'],
  );
  expect(away.code).toBe(1);
  expect(away.stderr).toContain('there is no file /no/token');
});

test('it serves a node from there: 16 MiB each way, exact, and goes when it is told to', async () => {
  await using own = new Rig();
  const network = await Network.start(own);
  const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  await new Promise<void>((resolve) => echo.listen(0, '127.0.0.1', resolve));
  own.defer(() => echo.close());
  const { port } = echo.address() as { port: number };
  // The agent of the network goes, so that who answers is the one in the chroot.
  expect(await network.agent.kill('SIGTERM')).toBe(0);
  const token = readFileSync(own.path('agent.token'), 'utf8').trim();
  const [command, ...before] = chroot.command;
  const args = ['--broker', network.url, '--node', 'edge-1', '--allow', `127.0.0.1:${port}`];
  const agent = own.start(command, [...before, inside, ...args], 'ignore', {
    env: { ...env, FAIRLEAD_TOKEN: token },
  });
  await agent.ports();
  expect(agent.log).not.toContain('Warning');
  // `unshare` became the agent: it has the child's own process id.
  const status = readFileSync(`/proc/${agent.child.pid}/status`, 'utf8');
  const idleMib = Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1]) / 1024;
  expect(idleMib).toBeLessThan(recordedMib('idle memory, registered at a broker') * 1.3);

  const sent = randomBytes(16 * 1024 * 1024);
  const dial = ['dial', ...network.access(), 'edge-1'];
  const { code, stdout } = await own.run(own.fairleadPath, [...dial, `127.0.0.1:${port}`], sent);
  expect(code).toBe(0);
  expect(sha256(stdout)).toBe(sha256(sent));
  // And what its owner has not allowed is refused there as anywhere.
  const denied = await own.run(own.fairleadPath, [...dial, `127.0.0.1:${network.port}`]);
  expect(denied.stderr).toContain('ERR_TARGET_DENIED');
  expect(await agent.kill('SIGTERM')).toBe(0);
});

test('its size is what docs/packages.md says', () => {
  // Another release of Node may be a little larger or smaller.
  const mib = statSync(executable).size / 1024 / 1024;
  expect(Math.abs(mib - recordedMib('size'))).toBeLessThan(15);
});

test('the licences of all that is in it lie beside it', () => {
  const text = readFileSync(`${executable}.licenses.txt`, 'utf8');
  for (const name of ['ws', 'zod', 'pino', 'commander', 'jose', 'ipaddr.js'])
    expect(text).toMatch(new RegExp(`^${name} \\d+\\.\\d+\\.\\d+ \\(MIT\\)$`, 'm'));
  expect(text).toContain(`Node.js ${process.version}`);
  expect(text).toContain('Copyright Node.js contributors');
});

function sha256(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex');
}
