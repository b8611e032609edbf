// How the status page looks to whom, and that nothing that a peer says is more than text. The status is made up here:
// a real broker would not let some of these names in.

import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import axe from 'axe-core';
import { afterEach, expect, test } from 'vitest';
import { page as document_, pageHeaders } from '../../src/page/served.ts';
import type { InstanceStatus, ShownStatus } from '../../src/protocol/status.ts';
import { type Look, Viewer } from './browser.ts';

const opened: { close(): unknown }[] = [];

afterEach(() => {
  for (const one of opened.splice(0)) one.close();
});

function instance(more: Partial<InstanceStatus> = {}): InstanceStatus {
  const since = new Date(Date.now() - 7_200_000).toISOString();
  const known = {
    instance: 'one',
    version: '0.1.0',
    state: 'ready',
    since,
    labels: {},
    routes: [],
    sessions: 0,
  } as const;
  return { ...known, labels: {}, routes: [], ...more };
}

const broker = {
  version: '0.1.0',
  engine: 'nats',
  startedAt: new Date(Date.now() - 86_400_000).toISOString(),
  draining: false,
  links: { agent: 1, dial: 0 },
  sessions: 0,
  bufferedBytes: 1234,
  eventLoopP99Ms: 1.5,
} as const;

function statusOf(
  nodes: Record<string, Partial<InstanceStatus>>,
  more: Partial<ShownStatus> = {},
): ShownStatus {
  const list = Object.entries(nodes).map(([node, it]) => ({ node, instances: [instance(it)] }));
  return { broker, nodes: list, ...more };
}

/** The page, and beside it whatever `answer` says. */
async function serve(answer: () => ShownStatus | string | number, look?: Look): Promise<Viewer> {
  const server = createServer(({ url }, response) => {
    if (url === '/') response.writeHead(200, pageHeaders).end(document_);
    else if (url === '/v1/status') {
      const said = answer();
      response.writeHead(typeof said === 'number' ? said : 200);
      response.end(typeof said === 'object' ? JSON.stringify(said) : String(said));
    } else response.writeHead(404).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  opened.push({ close: () => void server.close().closeAllConnections() });
  return Viewer.open(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`, look);
}

const error = {
  code: 'ECONNREFUSED',
  reason: 'connect ECONNREFUSED 127.0.0.1:5432',
  at: new Date().toISOString(),
};
/** One row of each kind. */
const kinds = {
  'edge-1': {
    address: '203.0.113.9',
    routes: ['10.0.0.0/8'],
    labels: { site: 'oslo' },
    streams: 3,
    rttMs: 12,
    sessions: 2,
  },
  'edge-2': { state: 'draining' as const, lastError: error },
  'edge-3': { lastError: { ...error, at: '2026-01-01T00:00:00.000Z' }, receivedBytes: 5000, sentBytes: 70 },
};

test('names, labels and errors that are markup, or turn text around, are shown as what they are', async () => {
  const markup = '<img src=x onerror="window.owned=1">';
  const turned = 'edge-\u202Egnp.exe';
  const hostile = {
    [markup]: {
      labels: { [markup]: markup, note: turned },
      routes: [markup],
      version: markup,
      address: markup,
      instance: markup,
      lastError: { code: markup, reason: `${markup}</script><script>window.owned=1</script>`, at: error.at },
    },
    [turned]: { version: '\u200B0.1.0\n' },
    __proto__: {},
    constructor: {},
  };
  await using viewer = await serve(() => statusOf(hostile, { broker: { ...broker, version: markup } }));
  const { page } = viewer;
  await expect.poll(() => viewer.names()).toContain(markup);
  expect(await viewer.names()).toContain('edge-⟨U+202E⟩gnp.exe');
  expect(await viewer.cell('edge-⟨U+202E⟩gnp.exe', 'version')).toBe('⟨U+200B⟩0.1.0⟨U+000A⟩');
  await page.locator('#canvas .name', { hasText: markup }).click();
  expect(await page.textContent('#details')).toContain(`${markup}</script><script>window.owned=1</script>`);
  expect(await page.textContent('#details')).toContain('note=edge-⟨U+202E⟩gnp.exe');
  await page.fill('#search', `nothing ${markup}`);
  expect(await page.textContent('#empty')).toBe(`Nothing here matches “nothing ${markup}”.`);
  expect(await page.evaluate(() => 'owned' in window)).toBe(false);
  expect(await page.locator('img, iframe, script[src]').count()).toBe(0);
});

test.each(['light', 'dark'] as const)(
  'in the %s every text can be read, and every part has its name',
  async (scheme) => {
    let isThere = true;
    const gone = { ...kinds, 'edge-4': {} };
    await using viewer = await serve(() => statusOf(isThere ? gone : kinds), { scheme });
    const { page } = viewer;
    await expect.poll(() => viewer.names()).toContain('edge-4');
    isThere = false;
    await expect.poll(() => viewer.cell('edge-4', 'state')).toMatch(/^gone/);
    await page.click('text=edge-1');
    const back = await page.evaluate(() => getComputedStyle(document.body).backgroundColor);
    const [red = 0] = (/\d+/.exec(back) ?? []).map(Number);
    expect(red > 128).toBe(scheme === 'light');
    await page.evaluate(axe.source);
    const found = await page.evaluate(async () => {
      const { axe: checker } = window as unknown as {
        axe: {
          run(): Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }>;
        };
      };
      const { violations } = await checker.run();
      return violations.map(({ id, nodes }) => `${id}: ${nodes[0]?.html} ${nodes[0]?.failureSummary}`);
    });
    expect(found).toEqual([]);
  },
);

test('on a phone rows are cards, nothing is cut off at the side, and a tap opens', async () => {
  await using viewer = await serve(() => statusOf(kinds), { width: 390, height: 844, touch: true });
  const { page } = viewer;
  await expect.poll(() => viewer.names()).toHaveLength(3);
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
  expect(await page.evaluate(() => document.getElementById('grid')?.scrollWidth)).toBeLessThanOrEqual(390);
  const [row, rate] = [
    await page.locator('#row-0').boundingBox(),
    await page.locator('#row-0 .rate').boundingBox(),
  ];
  expect(row?.height).toBe(96);
  expect(rate?.y).toBeGreaterThan((row?.y ?? 0) + 20);
  expect(await page.getAttribute('#row-0 .sessions', 'data-foot')).toBe('2 sessions, 3 streams');
  await page.selectOption('#sort', 'sessions');
  expect((await viewer.names())[0]).toBe('edge-1');
  await page.tap('#direction');
  expect((await viewer.names())[2]).toBe('edge-1');
  await page.tap('text=edge-1');
  expect(await page.textContent('#details')).toContain('site=oslo');
  expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBe(390);
});

test('nothing moves for those who want no motion; who has no agent yet is told how to get one', async () => {
  await using viewer = await serve(() => statusOf({}, { partial: true }), { motion: 'reduce' });
  const { page } = viewer;
  await expect.poll(() => page.textContent('#notice')).toContain('A replica did not answer');
  expect(await page.textContent('#empty')).toContain('fairlead agent --broker URL');
  expect(await page.evaluate(() => document.getAnimations().length)).toBe(0);
  await page.emulateMedia({ reducedMotion: 'no-preference' });
  expect(await page.evaluate(() => document.getAnimations().length)).toBe(1);
});

test('a gateway shows its tunnels and dials, and what is wrong between it and its broker', async () => {
  const gateway = {
    version: '0.1.0',
    startedAt: broker.startedAt,
    draining: false,
    connections: 7,
    fronts: [{ kind: 'socks5', address: '127.0.0.1:1080', connections: 7 }],
    dials: { connected: 41, ECONNREFUSED: 2, ERR_NODE_UNREACHABLE: 3 },
  } as const;
  let unreachable = false;
  const answer = (): ShownStatus =>
    unreachable ? { nodes: [], gateway, unreachable: 'connect ECONNREFUSED' } : statusOf(kinds, { gateway });
  await using viewer = await serve(answer);
  const { page } = viewer;
  await expect.poll(() => viewer.names()).toHaveLength(3);
  expect(await page.textContent('#about')).toMatch(/^gateway 0\.1\.0 · nats · up 1 d/);
  const tiles = await page.textContent('#tiles');
  expect(tiles).toContain('socks5 7');
  expect(await page.locator('#tiles [title]').getAttribute('title')).toBe('socks5 127.0.0.1:1080: 7');
  expect(tiles).toContain('ERR_NODE_UNREACHABLE 3, ECONNREFUSED 2');
  unreachable = true;
  await expect.poll(() => page.textContent('#notice')).toContain('connect ECONNREFUSED');
  // Nobody knows that they have gone.
  expect(await viewer.cell('edge-1', 'state')).toMatch(/^ready/);
});

test('it asks nothing while nobody looks, nor while it waits for a token', async () => {
  let isOpen = true;
  await using viewer = await serve(() => (isOpen ? statusOf(kinds) : 401));
  const { page } = viewer;
  await expect.poll(() => viewer.names()).toHaveLength(3);
  await page.clock.install();
  const look = (hidden: boolean) =>
    page.evaluate((isHidden) => {
      Object.defineProperty(document, 'hidden', { value: isHidden, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  const asked = () => viewer.urls.filter((url) => url.endsWith('/v1/status')).length;
  await look(true);
  await page.clock.runFor(1000);
  const before = asked();
  await page.clock.runFor(600_000);
  expect(asked()).toBe(before);
  await look(false);
  await expect.poll(asked).toBe(before + 1);

  isOpen = false;
  await page.clock.runFor(10_000);
  await page.waitForSelector('#token-form');
  const refused = asked();
  await page.fill('#token', 'half a to');
  await look(true);
  await look(false);
  await page.clock.runFor(600_000);
  expect(asked()).toBe(refused);
  expect(await page.inputValue('#token')).toBe('half a to');
});

test('what is no status is told, and asked for again', async () => {
  let said: ShownStatus | string | number = '<html>a proxy</html>';
  await using viewer = await serve(() => said);
  const { page } = viewer;
  await expect.poll(() => page.textContent('#notice')).toContain('what it answers is no status');
  said = 502;
  await expect.poll(() => page.textContent('#notice')).toContain('HTTP 502');
  said = statusOf(kinds);
  await expect.poll(() => viewer.names()).toHaveLength(3);
  expect(await page.locator('#notice').isVisible()).toBe(false);
});
