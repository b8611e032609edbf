// End-to-end encryption with the real commands: keys made, pins exchanged, streams through a real broker.

import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { serveHttp } from '../rig/http-target.ts';
import { Network, Rig } from '../rig/rig.ts';
import { startSshd } from '../rig/sshd.ts';
import { connectTo, listen, patternHash, readPattern, writePattern } from '../rig/targets.ts';

/** A node whose agent has a key, and a dialer that knows it and is known there as alice. */
async function sealedNetwork(rig: Rig, agentArgs: string[] = []) {
  const agentPin = await makeKey(rig, 'agent.pem');
  const alicePin = await makeKey(rig, 'alice.pem');
  rig.write('dialers', `# who may come\n${alicePin} alice\n`);
  rig.write('agents', `${agentPin} edge-*   # at the far end\n`);
  const network = await Network.start(rig, '127.0.0.1:*', [
    ...['--e2e-key', rig.path('agent.pem'), '--e2e-peers', rig.path('dialers')],
    ...['--audit-log', rig.path('audit.jsonl'), ...agentArgs],
  ]);
  const sealed = (key = 'alice.pem', agents = 'agents') => [
    ...network.access(),
    ...['--e2e', '--e2e-key', rig.path(key), '--e2e-peers', rig.path(agents)],
  ];
  const dial = (args: string[], port: number, stdin: string | Buffer = '') =>
    rig.run(rig.fairleadPath, ['dial', ...args, 'edge-1', `127.0.0.1:${port}`], stdin);
  const audit = () => readFileSync(rig.path('audit.jsonl'), 'utf8');
  return { network, sealed, dial, audit, agentPin, alicePin };
}

async function makeKey(rig: Rig, name: string, ...args: string[]): Promise<string> {
  const made = await rig.run(rig.fairleadPath, [
    ...['keys', '--e2e', '--json', '--key-file', rig.path(name), ...args],
  ]);
  if (made.code !== 0) throw new Error(made.stderr);
  return (JSON.parse(made.stdout.toString()) as { pin: string }).pin;
}

/** What one command that failed had to say. */
function lastLine({ stderr }: { stderr: string }): string {
  return stderr.trim().split('\n').at(-1) ?? '';
}

function echo(rig: Rig): Promise<number> {
  return listen(rig, (socket) => socket.pipe(socket));
}

test('dial --e2e reaches a target, and the audit log names the key', async () => {
  await using rig = new Rig();
  const { dial, sealed, audit } = await sealedNetwork(rig);
  const port = await echo(rig);
  const { code, stdout, stderr } = await dial(sealed(), port, 'through and through');
  expect({ code, stdout: stdout.toString(), stderr }).toEqual({
    code: 0,
    stdout: 'through and through',
    stderr: '',
  });
  await expect.poll(audit).toContain('"event":"stream-closed"');
  const lines = audit()
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, unknown>);
  const closed = lines.find(({ event }) => event === 'stream-closed');
  expect(closed).toMatchObject({ key: 'alice', target: `127.0.0.1:${port}`, bytesToTarget: 19 });
});

test('ssh works through dial --e2e', async () => {
  await using rig = new Rig();
  const { sealed } = await sealedNetwork(rig);
  const sshd = await startSshd(rig);
  const proxy = [rig.fairleadPath, 'dial', ...sealed(), 'edge-1', '%h:%p'].join(' ');
  const { code, stdout, stderr } = await rig.run('ssh', [
    ...sshd.options,
    ...['-o', `ProxyCommand=${proxy}`, '-p', String(sshd.port)],
    ...[`${sshd.user}@127.0.0.1`, 'echo from the node'],
  ]);
  expect({ code, stdout: stdout.toString() }, stderr).toEqual({ code: 0, stdout: 'from the node\n' });
});

test('64 MiB cross forward --e2e exactly, each way after a half-close, while the broker is killed', async () => {
  await using rig = new Rig();
  const { network, sealed } = await sealedNetwork(rig, ['--e2e-require']);
  const bytes = 64 * 1024 * 1024;
  const port = await listen(rig, async (socket) => {
    const came = await readPattern(socket);
    await writePattern(socket, came);
  });
  const forward = rig.fairlead('forward', ...sealed(), `0:edge-1:127.0.0.1:${port}`);
  const [local = 0] = await forward.ports();
  const socket = connectTo(local);
  const hash = createHash('sha256');
  let came = 0;
  let kills = 0;
  const done = new Promise<void>((resolve, reject) => {
    socket.on('data', (chunk) => {
      hash.update(chunk);
      came += chunk.length;
    });
    socket.on('end', resolve).on('error', reject);
  });
  const kill = async () => {
    await network.broker.kill();
    kills += 1;
    await network.startBroker();
  };
  const writing = writePattern(socket, bytes);
  // In the midst of each way.
  await expect.poll(() => socket.bytesWritten, { timeout: 30_000 }).toBeGreaterThan(8_000_000);
  await kill();
  await writing;
  await expect.poll(() => came, { timeout: 30_000 }).toBeGreaterThan(8_000_000);
  await kill();
  await done;
  expect({ came, kills, hash: hash.digest('hex') }).toEqual({
    came: bytes,
    kills: 2,
    hash: patternHash(bytes),
  });
});

test('curl reaches a node through forward --e2e and gateway --e2e, which asks the broker for no host', async () => {
  await using rig = new Rig();
  const { sealed } = await sealedNetwork(rig, ['--e2e-require']);
  const { port } = await serveHttp(rig, (_, response) => response.end('from the node'));
  const forward = rig.fairlead('forward', ...sealed(), `0:edge-1:127.0.0.1:${port}`);
  const gateway = rig.fairlead('gateway', ...sealed(), '--http-connect', '127.0.0.1:0');
  const [[local], [proxy]] = await Promise.all([forward.ports(), gateway.ports()]);
  const curl = (...args: string[]) => rig.run('curl', ['-sS', '--max-time', '20', ...args]);
  expect((await curl(`http://127.0.0.1:${local}/`)).stdout.toString()).toBe('from the node');
  const through = ['--proxytunnel', '--proxy', `http://127.0.0.1:${proxy}`];
  const got = await curl(...through, `http://edge-1:${port}/`);
  expect(got.stdout.toString(), got.stderr).toBe('from the node');
  // Another name for the same place, which the broker would have to be asked about.
  const refused = await curl(...through, `http://127.0.0.1:${port}/`);
  expect(refused.stderr).toContain('403');
  await gateway.said(/ERR_E2E/);
});

test('a key that the other end does not know is refused, with the pin and what to do, at either end', async () => {
  await using rig = new Rig();
  const { dial, sealed, agentPin, audit } = await sealedNetwork(rig);
  const port = await echo(rig);
  const strangerPin = await makeKey(rig, 'stranger.pem');
  const unknown = await dial(sealed('stranger.pem'), port, 'hello');
  expect(unknown.code).toBe(1);
  expect(unknown.stdout).toHaveLength(0);
  expect(lastLine(unknown)).toContain(`add the line "${strangerPin} NAME" to the agent's --e2e-peers`);
  expect(lastLine(unknown)).toContain('ERR_E2E');
  await expect.poll(audit).toContain(strangerPin);
  rig.write('other-agents', `${strangerPin} edge-1\n${agentPin} other-*\n`);
  const wrong = await dial(sealed('alice.pem', 'other-agents'), port, 'hello');
  expect(wrong.code).toBe(1);
  expect(lastLine(wrong)).toContain(`add the line "${agentPin} edge-1" to --e2e-peers`);
});

test('an agent with --e2e-require turns plain dialers away; one without a key turns encrypted ones away', async () => {
  await using rig = new Rig();
  const { network, dial, sealed } = await sealedNetwork(rig, ['--e2e-require']);
  const port = await echo(rig);
  const plain = await dial(network.access(), port, 'hello');
  expect(plain.code).toBe(1);
  expect(lastLine(plain)).toContain('dial with --e2e (ERR_E2E)');
  await network.agent.kill();
  network.agent = network.startAgent();
  await network.agent.ports();
  const refused = await dial(sealed(), port, 'hello');
  expect(refused.code).toBe(1);
  expect(lastLine(refused)).toContain('it has no --e2e-key (ERR_E2E)');
});
