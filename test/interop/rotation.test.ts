// Rotation and revocation as operators do them: files that change under running processes.

import { once } from 'node:events';
import { renameSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';

/** As rotation tools do: never half a file. */
function replace(rig: Rig, name: string, content: string): void {
  rig.write('next', content);
  renameSync(rig.path('next'), rig.path(name));
}

async function token(rig: Rig, key: string, ...args: string[]): Promise<string> {
  const made = await rig.run(rig.fairleadPath, ['token', '--key-file', rig.path(key), ...args]);
  if (made.code !== 0) throw new Error(made.stderr);
  return made.stdout.toString().trim();
}

async function newKey(rig: Rig, name: string): Promise<void> {
  const { code, stderr } = await rig.run(rig.fairleadPath, [
    ...['keys', '--key-file', rig.path(name), '--jwks', rig.path('jwks.json')],
  ]);
  if (code !== 0) throw new Error(stderr);
}

test('key and tokens are rotated under a stream, then the agent is revoked; no log shows a token', async () => {
  await using rig = new Rig();
  const echo = createServer((socket) => void socket.on('error', () => {}).pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  rig.defer(() => echo.close());
  const target = `127.0.0.1:${(echo.address() as AddressInfo).port}`;

  await newKey(rig, 'one.json');
  rig.write('deny', '# nobody\n');
  const tokens = [
    await token(rig, 'one.json', '--agent', 'edge-1'),
    await token(rig, 'one.json', '--dial', '*', '--subject', 'alice'),
  ];
  rig.write('agent.token', tokens[0] ?? '');
  rig.write('dial.token', tokens[1] ?? '');
  const broker = rig.fairlead(
    ...['broker', '--listen', '127.0.0.1:0', '--auth-jwks', rig.path('jwks.json')],
    ...['--deny-file', rig.path('deny')],
  );
  const [port = 0] = await broker.ports();
  const url = `ws://127.0.0.1:${port}`;
  const agent = rig.fairlead(
    ...['agent', '--broker', url, '--node', 'edge-1', '--token-file', rig.path('agent.token')],
    ...['--allow', '127.0.0.1:*'],
  );
  await agent.ports();
  const dial = rig.start(
    rig.fairleadPath,
    ['dial', '--broker', url, '--token-file', rig.path('dial.token'), 'edge-1', target],
    'pipe',
  );
  const says = async (text: string) => {
    dial.child.stdin?.write(text);
    if (dial.child.stdout === null) throw new Error('no stdout');
    const [chunk] = await once(dial.child.stdout, 'data');
    return String(chunk);
  };
  expect(await says('first')).toBe('first');

  // Another key beside the first, and tokens that it signed.
  await newKey(rig, 'two.json');
  await broker.said(/"keys-loaded"/);
  tokens.push(
    await token(rig, 'two.json', '--agent', 'edge-1', '--ttl', '48h'),
    await token(rig, 'two.json', '--dial', '*', '--subject', 'alice', '--ttl', '48h'),
  );
  replace(rig, 'agent.token', tokens[2] ?? '');
  replace(rig, 'dial.token', tokens[3] ?? '');
  await broker.said(/"link-renewed"[^\n]*"kind":"agent"/);
  await broker.said(/"link-renewed"[^\n]*"kind":"dial"/);
  expect(await says('second')).toBe('second');
  expect(broker.log).not.toContain('"link-closed"');

  replace(rig, 'deny', 'node edge-1\n');
  await broker.said(/"link-closed"[^\n]*"kind":"agent"[^\n]*"code":4401/);
  await broker.said(/"link-refused"[^\n]*the token was revoked/);
  // Forgiven, it comes back, and the stream goes on where it was.
  replace(rig, 'deny', '');
  expect(await says('third')).toBe('third');

  for (const { log } of [broker, agent, dial])
    for (const one of tokens)
      for (const part of [one, one.split('.')[2] ?? '']) expect(log).not.toContain(part);
});
