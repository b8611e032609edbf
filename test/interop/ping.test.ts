// `fairlead ping` with real processes: what it measures, what it counts as lost, and how it ends.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { connect, type RoundTrip } from '../../src/client/index.ts';
import { Network, Rig } from '../rig/rig.ts';
import { startSlowPath } from '../rig/slow-path.ts';

interface Line extends Partial<RoundTrip> {
  readonly seq?: number;
  readonly error?: { readonly code: string };
  readonly summary?: { readonly sent: number; readonly answered: number; readonly loss: number };
}

function lines(text: string): Line[] {
  return text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line));
}

const rig = new Rig();
let network: Network;

beforeAll(async () => {
  network = await Network.start(rig);
});
afterAll(() => rig[Symbol.asyncDispose]());

/** The command's lines as they come. */
function pinging(...args: string[]) {
  const program = rig.fairlead('ping', '--json', ...args);
  let text = '';
  program.child.stdout?.on('data', (chunk) => {
    text += chunk;
  });
  return { program, lines: () => (text === '' ? [] : lines(text)) };
}

test('ping says which side of the broker is slow', async () => {
  const slowPort = await startSlowPath(rig, network.port, 30);
  const agentArgs = ['--broker', `ws://127.0.0.1:${slowPort}`, '--node', 'edge-far'];
  rig.write('far.token', await rig.token('--agent', 'edge-far'));
  const far = rig.fairlead('agent', ...agentArgs, '--token-file', rig.path('far.token'), '--allow', '*:1');
  await far.ports();

  /** The least of each share of several: what the machine does besides makes single ones longer. */
  const measure = async (port: number, node: string) => {
    await using broker = connect({ url: `ws://127.0.0.1:${port}`, token: network.dialToken });
    const trips: RoundTrip[] = [];
    while (trips.length < 8) trips.push(await broker.ping(node));
    for (const { totalMs, brokerMs, agentMs } of trips) expect(brokerMs + agentMs).toBeCloseTo(totalMs, 6);
    const least = (share: 'brokerMs' | 'agentMs') => Math.min(...trips.map((trip) => trip[share]));
    return { brokerMs: least('brokerMs'), agentMs: least('agentMs') };
  };
  const farAgent = await measure(network.port, 'edge-far');
  expect(farAgent.brokerMs + farAgent.agentMs).toBeGreaterThan(55);
  expect(farAgent.brokerMs).toBeLessThan(farAgent.agentMs);
  const farBroker = await measure(slowPort, 'edge-1');
  expect(farBroker.brokerMs).toBeGreaterThan(55);
  expect(farBroker.agentMs).toBeLessThan(farBroker.brokerMs);
});

test('ping counts an agent that is away as lost, finds it again, and sums up when stopped', async () => {
  const running = pinging(...network.access(), '-i', '0.1', 'edge-1');
  await expect.poll(() => running.lines().length, { timeout: 20_000 }).toBeGreaterThan(1);
  await network.agent.kill('SIGKILL');
  await expect
    .poll(() => running.lines().at(-1)?.error?.code, { timeout: 20_000 })
    .toBe('ERR_NODE_UNREACHABLE');
  network.agent = network.startAgent();
  await expect.poll(() => running.lines().at(-1)?.totalMs, { timeout: 20_000 }).toBeGreaterThan(0);

  expect(await running.program.kill('SIGINT')).toBe(0);
  const said = running.lines();
  const { summary } = said.at(-1) ?? {};
  const answered = said.filter(({ totalMs }) => totalMs !== undefined).length;
  const lost = said.filter(({ error }) => error !== undefined).length;
  expect(lost).toBeGreaterThan(0);
  expect(summary).toMatchObject({ sent: answered + lost, answered });
  expect(summary?.loss).toBeCloseTo(lost / (answered + lost), 2);
  expect(new Set(said.flatMap(({ instance }) => instance ?? [])).size).toBe(2);
});

test('ping that nobody answered exits 1, and one that may not ask says why', async () => {
  const ping = (...args: string[]) =>
    rig.run(rig.fairleadPath, ['ping', ...network.access(), '-i', '0.1', ...args]);

  const away = await ping('-c', '2', 'edge-2');
  expect(away.code).toBe(1);
  expect(away.stdout.toString()).toMatch(/seq=2 no answer: no agent of the node "edge-2"/);
  expect(away.stdout.toString()).toMatch(/2 sent, 0 answered, 100% lost/);

  const denied = await ping('other-1');
  expect(denied.code).toBe(1);
  expect(denied.stderr).toMatch(/^fairlead: .*does not grant the node "other-1".*\n$/);

  const table = await ping('-c', '2', 'edge-1');
  expect(table.stderr).toBe('');
  expect(table.code).toBe(0);
  expect(table.stdout.toString()).toMatch(/dialer–broker +\d+\.\d+ +\d+\.\d+ +\d+\.\d+ +\d+\.\d+\n/);
});

test('a stopped agent is told from a broker that does not answer', async () => {
  await using broker = connect({ url: network.url, token: network.dialToken });
  await broker.ping('edge-1');
  network.agent.child.kill('SIGSTOP');
  await expect(broker.ping('edge-1', { timeoutMs: 200 })).rejects.toMatchObject({
    code: 'ETIMEDOUT',
    message: expect.stringContaining('the broker answered in'),
  });
  network.agent.child.kill('SIGCONT');
  await broker.ping('edge-1');

  const stop = new AbortController();
  network.broker.child.kill('SIGSTOP');
  const asked = broker.ping('edge-1', { signal: stop.signal });
  stop.abort();
  await expect(asked).rejects.toMatchObject({ code: 'ERR_ABORTED' });
  await expect(broker.ping('edge-1', { timeoutMs: 200 })).rejects.toMatchObject({
    code: 'ETIMEDOUT',
    message: expect.not.stringContaining('the broker answered'),
  });
  const all = Array.from({ length: 17 }, () => broker.ping('edge-1', { timeoutMs: 300 }));
  const outcomes = await Promise.allSettled(all);
  expect(outcomes.at(-1)).toMatchObject({ status: 'rejected', reason: { code: 'ERR_RATE_LIMIT' } });
  network.broker.child.kill('SIGCONT');

  const left = broker.ping('edge-1');
  await broker.close();
  await expect(left).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await expect(broker.ping('edge-1')).rejects.toMatchObject({ code: 'ERR_CLOSED' });
  await expect(broker.ping('Not A Node')).rejects.toMatchObject({ code: 'ERR_CONFIG' });
});
