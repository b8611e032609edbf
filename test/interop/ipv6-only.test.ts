// Machines without IPv4: the broker at an address of IPv6, agent and dialer on others, targets by literals. ULAs, as in
// networks of one's own.

import { expect, test } from 'vitest';
import { connectMachines, Machine } from '../rig/namespaces.ts';
import { Rig } from '../rig/rig.ts';

test('broker, agent and dialer meet where there is no IPv4 at all', async () => {
  await using rig = new Rig();
  rig.write('secret', 'a secret of the tests, long enough for HS256\n');
  rig.write('agent.token', await rig.token('--agent', 'edge-1'));
  rig.write('dial.token', await rig.token('--dial', 'edge-1', '--target', '[fd00:77::/64]:7777'));
  const [hub, edge] = [await Machine.create(rig), await Machine.create(rig)];
  await connectMachines(rig, [hub, 'fd00:77::1/64'], [edge, 'fd00:77::2/64']);
  for (const machine of [hub, edge]) await machine.ip('addr', 'del', '127.0.0.1/8', 'dev', 'lo');
  const start = (machine: Machine, ...command: string[]) => rig.start(...machine.within(...command));
  const broker = start(
    hub,
    rig.fairleadPath,
    ...['broker', '--listen', '[::]:8080', '--auth-secret-file', rig.path('secret')],
  );
  await broker.ports();
  const access = ['--broker', 'ws://[fd00:77::1]:8080', '--insecure'];
  const agent = start(
    edge,
    rig.fairleadPath,
    ...['agent', ...access, '--token-file', rig.path('agent.token'), '--node', 'edge-1'],
    ...['--allow', '[fd00:77::2]:7777', '--allow', '[::1]:7777'],
  );
  await agent.ports();
  start(edge, 'socat', 'TCP6-LISTEN:7777,fork,reuseaddr', 'EXEC:cat');
  const dial = async (target: string) => {
    const args = ['dial', ...access, '--token-file', rig.path('dial.token'), 'edge-1', target];
    const [program, all] = hub.within(rig.fairleadPath, ...args);
    const { stdout, stderr } = await rig.run(program, all, 'over six');
    return stdout.toString() + stderr.replace(/^\{.*\}\n/gm, '');
  };
  let said = await dial('[fd00:77::2]:7777');
  // socat may not listen yet.
  while (said.includes('ECONNREFUSED')) said = await dial('[fd00:77::2]:7777');
  expect(said).toBe('over six');
  expect(await dial('[::1]:7777')).toMatch('ERR_GRANT_DENIED');
});
