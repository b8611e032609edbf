// Everything that is logged, at the finest level, by everything that runs: no token, secret, key or byte of a stream
// is in any of it, although all of them were used.

import { readdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { type Program, Rig } from '../rig/rig.ts';
import { listen } from '../rig/targets.ts';

const secret = 'marker-of-the-secret, long enough for HS256';
const payload = 'marker-of-the-payload';

test('neither logs nor audit logs nor errors hold a token, a secret, a key or payload', async () => {
  await using rig = new Rig();
  let served = 0;
  const target = await listen(rig, (socket) =>
    socket.on('data', (chunk) => {
      served += chunk.toString().split(payload).length - 1;
      socket.end(chunk);
    }),
  );
  const at = (name: string) => rig.path(name);
  rig.write('secret', `${secret}\n`);
  const tokens = {
    agent: await rig.token('--agent', 'edge-1', '--route', '127.0.0.1'),
    dial: await rig.token('--dial', 'edge-*', '--subject', 'alice'),
    narrow: await rig.token('--dial', 'edge-*', '--target', '*:1', '--subject', 'bob'),
    stranger: (await rig.token('--dial', '*')).replace(/.{6}$/, 'AAAAAA'),
  };
  for (const [name, token] of Object.entries(tokens)) rig.write(`${name}.token`, token);
  const keys: Record<string, string> = {};
  for (const who of ['edge-1', 'alice']) {
    const made = await rig.run(rig.fairleadPath, ['keys', '--e2e', '--key-file', at(`${who}.pem`)]);
    keys[who] = /sha256:\S+/.exec(made.stdout.toString())?.[0] ?? '';
    expect(keys[who]).not.toBe('');
  }
  rig.write('dialers', `${keys.alice} alice\n`);
  rig.write('agents', `${keys['edge-1']} edge-1\n`);

  const trace = ['--log-level', 'trace'];
  const broker = rig.fairlead(
    ...[
      'broker',
      '--listen',
      '127.0.0.1:0',
      '--metrics',
      'off',
      '--auth-secret-file',
      at('secret'),
      ...trace,
    ],
    ...['--audit-log', at('broker.jsonl')],
  );
  const [port = 0] = await broker.ports();
  const to = (who: keyof typeof tokens) => [
    ...['--broker', `ws://127.0.0.1:${port}`, '--token-file', at(`${who}.token`), ...trace],
  ];
  const agent = rig.fairlead(
    ...[
      'agent',
      ...to('agent'),
      '--node',
      'edge-1',
      '--route',
      '127.0.0.1',
      '--allow',
      `127.0.0.1:${target}`,
    ],
    ...['--e2e-key', at('edge-1.pem'), '--e2e-peers', at('dialers'), '--audit-log', at('agent.jsonl')],
  );
  await agent.ports();
  const forward = rig.fairlead('forward', ...to('dial'), `0:edge-1:127.0.0.1:${target}`);
  const gateway = rig.fairlead('gateway', ...to('dial'), '--http-connect', '127.0.0.1:0');
  const [[forwardPort], [connectPort]] = [await forward.ports(), await gateway.ports()];

  const outputs: string[] = [];
  const run = async (expected: number, command: string, args: string[], input = '') => {
    const { code, stderr } = await rig.run(command, args, input);
    expect([code, stderr]).toEqual([expected, expect.anything()]);
    outputs.push(stderr);
  };
  const dial = (who: keyof typeof tokens) => ['dial', ...to(who), 'edge-1', `127.0.0.1:${target}`];
  const e2e = ['--e2e', '--e2e-key', at('alice.pem'), '--e2e-peers', at('agents')];
  const words = `${payload} GET /?${payload} HTTP/1.1\r\n\r\n`;
  await run(0, rig.fairleadPath, dial('dial'), words);
  await run(0, rig.fairleadPath, [...dial('dial'), ...e2e], words);
  await run(1, rig.fairleadPath, dial('narrow'), words);
  await run(1, rig.fairleadPath, dial('stranger'), words);
  await run(1, rig.fairleadPath, dial('agent'), words);
  await run(0, rig.fairleadPath, ['nodes', ...to('dial')]);
  await run(0, rig.fairleadPath, ['token', 'inspect', '--auth-secret-file', at('secret'), at('dial.token')]);
  await run(1, rig.fairleadPath, [
    'token',
    'inspect',
    '--auth-secret-file',
    at('secret'),
    at('stranger.token'),
  ]);
  const curl = ['-sS', '--max-time', '10', '--http0.9', '-d', payload, '-H', `x-marker: ${payload}`];
  await run(0, 'curl', [...curl, `http://127.0.0.1:${forwardPort}/`]);
  await run(0, 'curl', [
    ...curl,
    '--proxytunnel',
    '-x',
    `http://127.0.0.1:${connectPort}`,
    `http://127.0.0.1:${target}/`,
  ]);

  // The agent at the end of its life, too: what it says about streams that are open.
  const programs: readonly [string, Program][] = Object.entries({ gateway, forward, agent, broker });
  for (const [, program] of programs) await program.kill('SIGTERM');
  expect(served).toBeGreaterThan(5);

  const pem = ['edge-1', 'alice'].flatMap((who) => readFileSync(at(`${who}.pem`), 'utf8').split('\n'));
  const hidden = {
    secret,
    payload,
    ...Object.fromEntries(Object.entries(tokens).map(([name, token]) => [`${name} token`, token.slice(-30)])),
    ...Object.fromEntries(
      pem.filter((line) => /^[\w+/=]{40,}$/.test(line)).map((line, n) => [`key line ${n}`, line]),
    ),
  };
  expect(Object.keys(hidden).length).toBeGreaterThan(6);
  const said: Record<string, string> = Object.fromEntries(programs.map(([name, { log }]) => [name, log]));
  said.commands = outputs.join('\n');
  for (const file of readdirSync(rig.directory).filter((name) => name.endsWith('.jsonl')))
    said[file] = readFileSync(at(file), 'utf8');
  for (const [who, text] of Object.entries(said)) {
    expect([who, text.length]).toEqual([who, expect.any(Number)]);
    expect(text.length).toBeGreaterThan(50);
    for (const [what, marker] of Object.entries(hidden))
      expect({ who, what, found: text.includes(marker) }).toEqual({ who, what, found: false });
  }
});
