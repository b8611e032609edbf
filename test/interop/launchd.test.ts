// What launchd is told: a property list as its own parser has it, and an agent that runs as it says.

import { readFileSync } from 'node:fs';
import { parse } from 'plist';
import { expect, test } from 'vitest';
import { Network, Rig } from '../rig/rig.ts';

const file = 'deploy/launchd/io.fairlead.agent.plist';
const installed = '/usr/local/etc/fairlead/agent.yaml';

test('the agent of the property list is kept alive, has a log, and starts from a config file', async () => {
  await using rig = new Rig();
  const job = parse(readFileSync(file, 'utf8')) as Record<string, unknown>;
  expect(job).toMatchObject({
    Label: 'io.fairlead.agent',
    RunAtLoad: true,
    KeepAlive: true,
    UserName: '_fairlead',
    StandardOutPath: '/usr/local/var/log/fairlead/agent.log',
    StandardErrorPath: '/usr/local/var/log/fairlead/agent.log',
    ProgramArguments: ['/usr/local/bin/fairlead', 'agent', '--config', installed],
    Umask: 0o077,
  });
  // The label is the file's name, as `launchctl` has it.
  expect(file).toContain(`/${String(job.Label)}.plist`);
  expect(readFileSync('docs/configuration.md', 'utf8')).toContain(file);

  const network = await Network.start(rig);
  rig.write('edge-2.token', await rig.token('--agent', 'edge-2'));
  const config = rig.write(
    'agent.yaml',
    `broker: ${network.url}\nnode: edge-2\ntoken-file: edge-2.token\nallow: ["127.0.0.1:*"]\n`,
  );
  const [, ...args] = job.ProgramArguments as string[];
  const agent = rig.start(
    rig.fairleadPath,
    args.map((arg) => (arg === installed ? config : arg)),
  );
  await agent.said(/"msg":"ready"/);
  expect(await agent.kill('SIGTERM')).toBe(0);
});
