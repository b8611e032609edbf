// The audit logs of a real broker and a real agent: who, what, with what outcome, and no secret in any of it.

import { once } from 'node:events';
import { readFileSync, statSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { expect, test } from 'vitest';
import { Rig } from '../rig/rig.ts';

type Line = Readonly<Record<string, unknown>>;

function linesOf(path: string): Line[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as Line);
}

/** Resolves once the log has a line like this. */
async function logged(path: string, wanted: Line): Promise<Line> {
  for (;;) {
    const found = linesOf(path).find((line) =>
      Object.entries(wanted).every(([name, value]) => line[name] === value),
    );
    if (found !== undefined) return found;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

test('broker and agent write down who did what, and never a token or payload', async () => {
  await using rig = new Rig();
  const echo = createServer((socket) => void socket.on('error', () => {}).pipe(socket));
  echo.listen(0, '127.0.0.1');
  await once(echo, 'listening');
  rig.defer(() => echo.close());
  const { port } = echo.address() as AddressInfo;

  rig.write('secret', 'a secret of the tests, long enough for HS256\n');
  const tokens: Record<string, string> = {
    agent: await rig.token('--agent', 'edge-1'),
    alice: await rig.token('--dial', 'edge-*', '--subject', 'alice'),
    mallory: await rig.token('--dial', 'edge-*', '--subject', 'mallory'),
    elsewhere: await rig.token('--dial', 'other', '--subject', 'carol'),
  };
  for (const [name, token] of Object.entries(tokens)) rig.write(`${name}.token`, token);
  const at = (name: string) => rig.path(name);
  const broker = rig.fairlead(
    ...['broker', '--listen', '127.0.0.1:0', '--auth-secret-file', at('secret')],
    ...['--audit-log', at('broker.jsonl')],
  );
  const [brokerPort = 0] = await broker.ports();
  const url = `ws://127.0.0.1:${brokerPort}`;
  const agent = rig.fairlead(
    ...['agent', '--broker', url, '--node', 'edge-1', '--token-file', at('agent.token')],
    ...['--allow', `127.0.0.1:${port};sub=alice`, '127.0.0.1:1', '--audit-log', at('agent.jsonl')],
  );
  await agent.ports();
  const dial = (who: string, target: string) =>
    rig.run(
      rig.fairleadPath,
      ['dial', '--broker', url, '--token-file', at(`${who}.token`), 'edge-1', target],
      'the payload',
    );

  const target = `127.0.0.1:${port}`;
  expect((await dial('alice', target)).stdout.toString()).toBe('the payload');
  expect((await dial('mallory', target)).stderr).toContain('ERR_TARGET_DENIED');
  expect((await dial('alice', '127.0.0.1:1')).stderr).toContain('ECONNREFUSED');
  expect((await dial('elsewhere', target)).stderr).toContain('ERR_FORBIDDEN');

  const mine = { node: 'edge-1', principal: 'alice', target };
  await logged(at('agent.jsonl'), {
    event: 'stream-opened',
    verdict: 'granted',
    address: '127.0.0.1',
    ...mine,
  });
  const closed = await logged(at('agent.jsonl'), { event: 'stream-closed', ...mine });
  expect(closed).toMatchObject({ bytesToTarget: 11, bytesFromTarget: 11, durationMs: expect.any(Number) });
  await logged(at('agent.jsonl'), {
    event: 'stream-refused',
    verdict: 'refused',
    principal: 'mallory',
    target,
    code: 'ERR_TARGET_DENIED',
  });
  await logged(at('agent.jsonl'), { event: 'stream-failed', principal: 'alice', code: 'ECONNREFUSED' });
  await logged(at('agent.jsonl'), { event: 'session-opened', principal: 'alice', verdict: 'granted' });

  await logged(at('broker.jsonl'), { event: 'link-opened', kind: 'agent', principal: 'agent:edge-1' });
  const ended = await logged(at('broker.jsonl'), { event: 'link-closed', kind: 'dial', principal: 'alice' });
  expect(ended).toMatchObject({
    node: 'edge-1',
    closeCode: expect.any(Number),
    durationMs: expect.any(Number),
  });
  expect(ended.bytesFromPeer).toBeGreaterThan(11);
  await logged(at('broker.jsonl'), {
    event: 'link-refused',
    verdict: 'refused',
    principal: 'carol',
    code: 'ERR_FORBIDDEN',
  });

  await agent.kill('SIGTERM');
  await broker.kill('SIGTERM');
  await logged(at('broker.jsonl'), { event: 'link-closed', kind: 'agent' });
  for (const name of ['agent.jsonl', 'broker.jsonl']) {
    expect(statSync(at(name)).mode & 0o777).toBe(0o600);
    const text = readFileSync(at(name), 'utf8');
    for (const secret of ['the payload', 'a secret of the tests', ...Object.values(tokens)])
      expect(text).not.toContain(secret);
    for (const token of Object.values(tokens)) expect(text).not.toContain(token.split('.')[2]);
  }
});

test('an audit log that cannot be opened stops the command before it begins', async () => {
  await using rig = new Rig();
  rig.write('secret', 'a secret of the tests, long enough for HS256\n');
  const { code, stderr } = await rig.run(rig.fairleadPath, [
    ...['broker', '--listen', '0', '--auth-secret-file', rig.path('secret')],
    ...['--audit-log', rig.path('missing/audit.jsonl')],
  ]);
  expect(stderr).toMatch(/^fairlead: [^\n]*\n$/);
  expect(code).toBe(1);
});
