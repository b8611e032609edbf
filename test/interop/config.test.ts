// Config files with real processes: what wins over what, and SIGHUP.

import { mkdirSync } from 'node:fs';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Network, type Program, Rig } from '../rig/rig.ts';
import { listen } from '../rig/targets.ts';

const rig = new Rig();
let network: Network;
let agent: Program;
let echo: number;

function agentFile(...allow: string[]): string {
  return rig.write(
    'agent.yaml',
    [
      '# yaml-language-server: $schema=../docs/schema/agent.schema.json',
      `broker: ${network.url}`,
      'node: edge-2',
      'token-file: edge-2.token',
      'allow:',
      ...allow.map((rule) => `  - ${rule}`),
      'label: { site: berlin }',
      '',
    ].join('\n'),
  );
}

async function dial(port: number, env: NodeJS.ProcessEnv = {}, ...flags: string[]) {
  const args = ['dial', ...flags, 'edge-2', `127.0.0.1:${port}`];
  const { code, stdout, stderr } = await rig.run(rig.fairleadPath, args, 'hello', { env });
  return { code, stdout: stdout.toString(), stderr };
}

beforeAll(async () => {
  network = await Network.start(rig);
  echo = await listen(rig, (socket) => void socket.pipe(socket));
  rig.write('edge-2.token', await rig.token('--agent', 'edge-2'));
  mkdirSync(rig.path('home/fairlead'), { recursive: true });
  rig.write(
    'home/fairlead/config.yaml',
    `broker: ${network.url}\ntoken-file: ../../dial.token\nlog-level: error\n`,
  );
  agent = rig.fairlead('agent', '--config', agentFile('127.0.0.1:1'));
  await agent.ports();
});

afterAll(async () => await rig[Symbol.asyncDispose]());

test('an agent runs by its file, and a dialer by the one in its home', async () => {
  const home = { XDG_CONFIG_HOME: rig.path('home') };
  const refused = await dial(echo, home);
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringMatching(/ERR_TARGET_DENIED/) });
  // Flags, then the environment, then the file.
  const elsewhere = await dial(echo, { ...home, FAIRLEAD_BROKER: 'ws://127.0.0.1:1' });
  expect(elsewhere.stderr).toMatch(/127\.0\.0\.1:1 /);
  const flag = await dial(echo, { ...home, FAIRLEAD_BROKER: 'ws://127.0.0.1:1' }, '--broker', network.url);
  expect(flag.stderr).toMatch(/ERR_TARGET_DENIED/);
});

test('SIGHUP puts in force what can change live, and a broken file changes nothing', async () => {
  const env = { FAIRLEAD_CONFIG: rig.path('home/fairlead/config.yaml') };
  agentFile(`127.0.0.1:${echo}`);
  agent.child.kill('SIGHUP');
  await agent.said(/"event":"config-loaded".*"keys":\["allow"\]/);
  expect(await dial(echo, env)).toMatchObject({ code: 0, stdout: 'hello' });

  rig.write('agent.yaml', 'node: edge-2\nalow: "*:*"\n');
  agent.child.kill('SIGHUP');
  await agent.said(/"event":"config-failed".*agent\.yaml:2:1: .*did you mean/);
  expect(await dial(echo, env)).toMatchObject({ code: 0, stdout: 'hello' });

  agentFile('127.0.0.1:no-port');
  agent.child.kill('SIGHUP');
  await agent.said(/"event":"config-failed".*no-port/);
  expect(await dial(echo, env)).toMatchObject({ code: 0, stdout: 'hello' });

  agentFile(`127.0.0.1:${echo}`, '127.0.0.1:2');
  rig.write(
    'agent.yaml',
    `${'drain: 5\nlog-level: debug\nallow: "127.0.0.1:9"'}\nbroker: ${network.url}\nnode: edge-2\ntoken-file: edge-2.token\n`,
  );
  agent.child.kill('SIGHUP');
  await agent.said(
    /"event":"config-needs-restart".*"label".*"drain"|"event":"config-needs-restart".*"drain".*"label"/,
  );
  expect(await dial(echo, env)).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/ERR_TARGET_DENIED/),
  });
  expect(agent.child.exitCode).toBeNull();
});

test('a file that is wrong is a mistake in use, and check says each of them', async () => {
  const file = rig.write('wrong.yaml', 'listn: 127.0.0.1:0\nauth-secret-file: secret\nmax-sessions: many\n');
  const { code, stderr } = await rig.run(rig.fairleadPath, ['broker', '--config', file]);
  expect({ code, stderr }).toEqual({ code: 2, stderr: expect.stringMatching(/wrong\.yaml:1:1: .*"listen"/) });
  const checked = await rig.run(rig.fairleadPath, ['config', 'check', 'broker', file]);
  expect(checked.code).toBe(1);
  expect(checked.stderr.trim().split('\n')).toHaveLength(2);
  const missing = await rig.run(rig.fairleadPath, ['agent', '--config', rig.path('none.yaml')]);
  expect(missing.stderr).toMatch(/there is no file .*none\.yaml/);
  const good = await rig.run(rig.fairleadPath, [
    'config',
    'check',
    'client',
    rig.path('home/fairlead/config.yaml'),
  ]);
  expect(good).toMatchObject({ code: 0 });
});
