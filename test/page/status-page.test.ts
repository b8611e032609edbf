// The status page of a real broker, in a real Chromium: what it shows of real agents, and how it is used.

import { type AddressInfo, createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import type { Agent } from '../../src/agent/agent.ts';
import { startAgent } from '../../src/agent/index.ts';
import type { AgentOptions } from '../../src/agent/options.ts';
import { type Broker, type BrokerOptions, mintToken, startBroker } from '../../src/broker/index.ts';
import { connect } from '../../src/client/index.ts';
import { startGateway } from '../../src/gateway/index.ts';
import { type Look, Viewer } from './browser.ts';

const secret = 'a secret for tests, long enough to sign with';
const opened: { close(): unknown }[] = [];

afterEach(async () => {
  for (const one of opened.splice(0).reverse()) await one.close();
});

async function start(options: Partial<BrokerOptions> = {}): Promise<Broker> {
  const broker = await startBroker({ secret, port: 0, version: '1.2.3', idleMs: 200, ...options });
  opened.push(broker);
  return broker;
}

async function agentOf(broker: Broker, node: string, more: Partial<AgentOptions> = {}): Promise<Agent> {
  const token = await mintToken({ secret, agent: node });
  const options = { url: broker.url, token: () => token, node, allow: [], version: '0.9.0', ...more };
  const agent = await startAgent(options);
  opened.push(agent);
  return agent;
}

async function fleet(broker: Broker, count: number): Promise<Agent[]> {
  return Promise.all(Array.from({ length: count }, (_, i) => agentOf(broker, `edge-${i + 1}`)));
}

function pageOf(broker: Broker): string {
  return `${broker.url.replace('ws', 'http')}/`;
}

async function look(broker: Broker, how?: Look): Promise<Viewer> {
  return Viewer.open(pageOf(broker), how);
}

async function echo(): Promise<number> {
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  opened.push(server);
  return (server.address() as AddressInfo).port;
}

test('it shows who is connected, what passes and what failed, and follows who comes and goes', async () => {
  const broker = await start();
  await agentOf(broker, 'edge-1', { allow: ['127.0.0.1:*'], labels: { site: 'oslo' }, instance: 'one' });
  const port = await echo();
  const token = await mintToken({ secret, dial: ['edge-*'] });
  const client = connect({ url: broker.url, token: () => token });
  opened.push(client);
  await expect(client.dial({ node: 'edge-1', host: '127.0.0.1', port: 1 })).rejects.toThrow();
  const socket = await client.dial({ node: 'edge-1', host: '127.0.0.1', port });
  socket.on('data', () => {});
  await using viewer = await look(broker);
  await expect.poll(() => viewer.names()).toEqual(['edge-1']);
  expect(await viewer.cell('edge-1', 'state')).toMatch(/^ready\d+ s$/);
  expect(await viewer.cell('edge-1', 'version')).toBe('0.9.0');
  expect(await viewer.cell('edge-1', 'address')).toBe('127.0.0.1');
  await expect.poll(() => viewer.cell('edge-1', 'rtt')).toMatch(/^\d+(\.\d)? ms$/);
  expect(await viewer.page.textContent('#about')).toMatch(/^broker 1\.2\.3 · up /);

  const traffic = setInterval(() => socket.write(Buffer.alloc(100_000)), 50);
  opened.push({ close: () => clearInterval(traffic) });
  const second = await agentOf(broker, 'edge-2');
  await expect.poll(() => viewer.names()).toEqual(['edge-1', 'edge-2']);

  await expect.poll(() => viewer.cell('edge-1', 'rate')).toMatch(/ [kM]B\/s$/);
  const shape = await viewer.page.getAttribute('.row[aria-rowindex="2"] .spark .line', 'd');
  expect(new Set(shape?.match(/ [\d.]+(?=[LM]|$)/g)).size).toBeGreaterThan(1);
  await expect.poll(() => viewer.cell('edge-1', 'error')).toMatch(/^ECONNREFUSED \d+ s ago$/);
  await expect.poll(() => viewer.cell('edge-1', 'streams')).toBe('1');
  expect(await viewer.cell('edge-1', 'sessions')).toBe('1');
  clearInterval(traffic);
  socket.destroy();

  await second.close();
  await expect.poll(() => viewer.cell('edge-2', 'state')).toMatch(/^gone/);
  expect(await viewer.page.textContent('#tiles')).toContain('1 gone');
  await agentOf(broker, 'edge-2');
  await expect.poll(() => viewer.cell('edge-2', 'state')).toMatch(/^ready/);
  expect(await viewer.names()).toEqual(['edge-1', 'edge-2']);
});

test('it is searched by name, version, route, label, address and state, and sorted by every column', async () => {
  const broker = await start();
  const token = await mintToken({ secret, agent: 'edge-10', routes: ['10.9.0.0/16'] });
  await fleet(broker, 9);
  await agentOf(broker, 'edge-10', {
    token: () => token,
    routes: ['10.9.0.0/16'],
    labels: { site: 'Porto' },
    version: '2.0.0-rc.1',
  });
  await using viewer = await look(broker);
  const { page } = viewer;
  const inOrder = Array.from({ length: 10 }, (_, i) => `edge-${i + 1}`);
  await expect.poll(() => viewer.names()).toEqual(inOrder);
  for (const text of ['edge-10', '10.9.0', 'SITE=porto', '2.0.0-rc', '127.0.0.1 porto']) {
    await page.fill('#search', text);
    expect(await viewer.names(), text).toEqual(['edge-10']);
    expect(await page.textContent('#count')).toBe('1 of 10');
  }
  await page.fill('#search', 'draining');
  expect(await viewer.names()).toEqual([]);
  expect(await page.textContent('#empty')).toBe('Nothing here matches “draining”.');
  await page.fill('#search', 'ready');
  expect(await viewer.names()).toEqual(inOrder);
  await page.fill('#search', '');

  const sorted = () => page.getAttribute('#columns .node', 'aria-sort');
  expect(await sorted()).toBe('ascending');
  await page.click('#columns .node button');
  expect(await sorted()).toBe('descending');
  expect(await viewer.names()).toEqual(inOrder.toReversed());
  await page.click('#columns .routes button');
  expect(await sorted()).toBeNull();
  expect(await page.getAttribute('#columns .routes', 'aria-sort')).toBe('descending');
  expect((await viewer.names())[0]).toBe('edge-10');
  for (const column of ['state', 'version', 'address', 'sessions', 'streams', 'rate', 'rtt', 'error']) {
    await page.click(`#columns .${column} button`);
    expect(await page.locator('#columns [aria-sort]').count()).toBe(1);
    expect((await viewer.names()).toSorted()).toEqual(inOrder.toSorted());
  }
});

test('all of it is done by keyboard', async () => {
  const broker = await start();
  await fleet(broker, 30);
  await using viewer = await look(broker, { height: 600 });
  const { page } = viewer;
  await expect.poll(() => viewer.names()).toContain('edge-1');
  await page.keyboard.press('/');
  await page.keyboard.type('edge');
  expect(await page.inputValue('#search')).toBe('edge');
  await page.keyboard.press('ArrowDown');
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('grid');
  await page.keyboard.press('ArrowDown');
  expect(await viewer.active()).toBe('edge-1');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('ArrowUp');
  expect(await viewer.active()).toBe('edge-2');
  await page.keyboard.press('End');
  expect(await viewer.active()).toBe('edge-30');
  await page.keyboard.press('PageUp');
  const above = Number((await viewer.active())?.slice(5));
  expect(above).toBeGreaterThan(5);
  expect(above).toBeLessThan(29);
  await page.keyboard.press('PageDown');
  expect(await viewer.active()).toBe('edge-30');
  await page.keyboard.press('Home');
  expect(await viewer.active()).toBe('edge-1');
  const box = await page.locator('.row[aria-selected="true"]').boundingBox();
  expect(box?.y).toBeGreaterThan(0);

  await page.keyboard.press('Enter');
  expect(await page.getAttribute('.row[aria-selected="true"]', 'aria-expanded')).toBe('true');
  expect(await page.textContent('#details')).toContain('Link since');
  // It stays open while the page updates, and the next row is below it.
  const details = await page.locator('#details').boundingBox();
  const next = await page.locator('#row-1').boundingBox();
  expect(next?.y).toBeGreaterThanOrEqual((details?.y ?? 0) + (details?.height ?? 0) - 1);
  await page.keyboard.press('Escape');
  expect(await page.locator('#details').count()).toBe(0);
  expect(await page.getAttribute('.row[aria-selected="true"]', 'aria-expanded')).toBe('false');
  // Back by the tab key: the heads of the columns are on the way.
  await page.keyboard.press('Shift+Tab');
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('search');
});

test('with --status-page token it asks for one, keeps it in memory only, and shows what it grants', async () => {
  const broker = await start({ statusPage: 'token' });
  await agentOf(broker, 'edge-1');
  await agentOf(broker, 'core-1');
  await using viewer = await look(broker);
  const { page } = viewer;
  await page.waitForSelector('#token-form');
  expect(await page.evaluate(() => document.activeElement?.id)).toBe('token');
  const show = async (token: string) => {
    await page.fill('#token', token);
    await page.keyboard.press('Enter');
  };
  await show('two words');
  await expect.poll(() => page.textContent('#gate-why')).toContain('That is not a token');
  await show('word');
  await expect.poll(() => page.textContent('#gate-why')).toContain('The token was refused: ');
  await show(await mintToken({ secret, agent: 'edge-1' }));
  await expect.poll(() => page.textContent('#gate-why')).toContain('a dial token is needed');
  const token = await mintToken({ secret, dial: ['edge-*'] });
  await show(token);
  await expect.poll(() => viewer.names()).toEqual(['edge-1']);
  expect(await page.locator('#gate').isVisible()).toBe(false);
  expect(viewer.urls.filter((url) => url.includes(token))).toEqual([]);
  const kept = await page.evaluate(() => [
    JSON.stringify(localStorage),
    JSON.stringify(sessionStorage),
    document.cookie,
    document.documentElement.outerHTML,
  ]);
  expect(kept.filter((text) => text.includes(token))).toEqual([]);
});

test('it says when the broker does not answer, and goes on by itself with the next one', async () => {
  const first = await start();
  await agentOf(first, 'edge-1');
  await using viewer = await look(first);
  const { page } = viewer;
  await expect.poll(() => viewer.names()).toEqual(['edge-1']);
  await first.close();
  await expect
    .poll(() => page.textContent('#notice'))
    .toMatch(/^The broker does not answer\. What is shown is /);
  expect(await page.getAttribute('#pulse', 'data-state')).toBe('lost');
  expect(await viewer.names()).toEqual(['edge-1']);
  await start({ port: first.address.port });
  await expect.poll(() => page.textContent('#notice')).toMatch(/^The broker was started anew \d+ s ago/);
  expect(await page.textContent('#said')).toBe('The broker answers again');
  await expect.poll(() => page.getAttribute('#pulse', 'data-state')).toBe('live');
  await expect.poll(() => viewer.cell('edge-1', 'state')).toMatch(/^ready/);
});

test('a gateway shows its tunnels and the nodes of its broker, and says when that is away', async () => {
  const broker = await start();
  await agentOf(broker, 'edge-1');
  const client = connect({ url: broker.url, token: await mintToken({ secret, dial: ['*'] }) });
  opened.push(client);
  const loopback = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
  const gateway = await startGateway({ broker: client, httpConnect: [loopback], statusPage: [loopback] });
  opened.push(gateway);
  await using viewer = await Viewer.open(`http://${gateway.addresses[1]}/`);
  const { page } = viewer;
  await expect.poll(() => viewer.names()).toEqual(['edge-1']);
  expect(await page.getAttribute('#tiles [title]', 'title')).toBe(`http-connect ${gateway.addresses[0]}: 0`);
  await broker.close();
  await expect.poll(() => page.textContent('#notice')).toMatch(/^The gateway has nothing of its broker: /);
  expect(await viewer.cell('edge-1', 'state')).toMatch(/^ready/);
});
