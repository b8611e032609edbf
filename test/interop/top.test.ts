// `fairlead top` and `status` as people and scripts run them: a real terminal, a real broker, bytes that move.

import { afterAll, beforeAll, expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import { type Broker, mintToken, startBroker } from '../../src/broker/index.ts';
import { connect } from '../../src/client/index.ts';
import { Rig } from '../rig/rig.ts';
import { listen } from '../rig/targets.ts';
import { Terminal } from '../rig/terminal.ts';

const secret = 'a secret of the tests, long enough for HS256';
const rig = new Rig();
let broker: Broker;
let env: Record<string, string>;

async function serveNode(node: string) {
  const token = await mintToken({ secret, agent: node });
  return await startAgent({ url: broker.url, token, node, allow: ['127.0.0.1:*'] });
}

beforeAll(async () => {
  broker = await startBroker({ secret, port: 0, drainMs: 0 });
  rig.defer(() => broker.close());
  for (const node of ['edge-1', 'edge-2']) {
    const agent = await serveNode(node);
    rig.defer(() => agent.close());
  }
  rig.write('dial.token', await mintToken({ secret, dial: ['edge-*'] }));
  env = { FAIRLEAD_BROKER: broker.url, FAIRLEAD_TOKEN_FILE: rig.path('dial.token') };
});
afterAll(() => rig[Symbol.asyncDispose]());

function shell(more = ''): string {
  const exports = Object.entries(env).map(([name, value]) => `${name}=${value}`);
  return `env ${exports.join(' ')} PS1='$ ' ${more} sh -i`;
}

test('top shows on a terminal what goes on, obeys keys and size, and gives the terminal back', async () => {
  const terminal = await Terminal.open(rig, shell(), 110, 20);
  const shows = (pattern: RegExp) =>
    expect.poll(() => terminal.screen(), { timeout: 15_000, interval: 50 }).toMatch(pattern);
  await terminal.press(`stty -a > before; ${rig.fairleadPath} top -d 0.2; echo code $?`, 'Enter');
  await shows(/^edge-1 .*\n^edge-2 /m);
  expect(await terminal.isAlternate()).toBe(true);
  expect(await terminal.cursorIsShown()).toBe(false);
  expect(await terminal.screen()).toMatch(/^ws:\/\/127.0.0.1:\d+: .*\(memory\), up \d+s, ready$/m);

  // What somebody pours through shows as a rate, and sorts first.
  const port = await listen(rig, (socket) => void socket.resume());
  await using client = connect({ url: broker.url, token: await mintToken({ secret, dial: ['edge-2'] }) });
  const socket = await client.dial({ node: 'edge-2', host: '127.0.0.1', port });
  const pouring = setInterval(() => socket.write(Buffer.alloc(16_384)), 10);
  await shows(/^edge-2 .* [\d.]+ KiB /m);
  await terminal.press('o');
  await shows(/OUT\/s▾[^\n]*\nedge-2 .*\nedge-1 /);
  clearInterval(pouring);
  socket.destroy();

  await terminal.press('/', 'edge-1', 'Enter');
  await shows(/1–1 of 1 with "edge-1"/);
  expect(await terminal.screen()).not.toMatch(/^edge-2/m);
  await terminal.press('Escape');
  const late = await serveNode('edge-3');
  await shows(/^edge-3 /m);
  await late.close();
  await expect.poll(() => terminal.screen(), { timeout: 15_000 }).not.toMatch(/^edge-3 /m);

  await terminal.resize(50, 10);
  await shows(/^1–2 of 2 · sort: .*…$/m);
  expect((await terminal.screen()).trimEnd().split('\n').length).toBeLessThanOrEqual(10);
  await terminal.resize(110, 20);
  await shows(/LAST ERROR/);

  await terminal.press('C-z');
  await expect.poll(() => terminal.isAlternate()).toBe(false);
  // The shell has done with the rest of its line.
  await terminal.press('clear; fg; echo code $?', 'Enter');
  await expect.poll(() => terminal.isAlternate()).toBe(true);

  const isGivenBack = async (ending: string): Promise<void> => {
    await shows(new RegExp(`^code ${ending}$`, 'm'));
    expect(await terminal.isAlternate()).toBe(false);
    expect(await terminal.cursorIsShown()).toBe(true);
    await terminal.press('clear; stty -a | cmp - before && echo as it was', 'Enter');
    await shows(/^as it was$/m);
  };
  await terminal.press('q');
  await isGivenBack('0');
  await terminal.press(`clear; ${rig.fairleadPath} top; echo code $?`, 'Enter');
  await expect.poll(() => terminal.isAlternate(), { timeout: 10_000 }).toBe(true);
  await terminal.press('C-c');
  await isGivenBack('0');

  // Something that nobody thought of.
  const bomb = 'data:text/javascript,setInterval(()=>{if(process.stdin.isRaw)throw(Error(`boom`))},100)';
  await terminal.press(
    `clear; NODE_OPTIONS='--import=${bomb}' ${rig.fairleadPath} top; echo code $?`,
    'Enter',
  );
  await isGivenBack('1');
});

test('top prints once where nobody watches, and status says the same without rates', async () => {
  const run = async (...args: string[]) => {
    const { code, stdout, stderr } = await rig.run(rig.fairleadPath, args, '', { env });
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    return stdout.toString();
  };
  const once = await run('top', '-d', '0.1');
  expect(once).toMatch(/\nNODE .* LAST ERROR\nedge-1 .*\nedge-2 .*\n$/);
  expect(once).not.toContain('\u001b');
  const json = JSON.parse(await run('top', '-d', '0.1', '--json'));
  expect(json).toMatchObject({
    broker: { engine: 'memory' },
    rows: [{ node: 'edge-1', state: 'ready', inBytesPerSecond: expect.any(Number) }, { node: 'edge-2' }],
  });

  const status = await run('status');
  expect(status).toMatch(/^broker +\S+ \(memory\), up \d+s, ready\nlinks +2 agents, 0 dialers; 0 sessions\n/);
  expect(status).toMatch(/\nNODE +INSTANCE +STATE .*\nedge-1 +\S+ +ready .*\nedge-2 /);
  expect(JSON.parse(await run('status', '--json'))).toMatchObject({
    broker: { links: { agent: 2 } },
    nodes: [{ node: 'edge-1', instances: [{ state: 'ready' }] }, { node: 'edge-2' }],
  });
});
