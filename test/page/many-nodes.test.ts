// The status page with 5,000 nodes, each with a real link to a real broker.

import { once } from 'node:events';
import { expect, test } from 'vitest';
import { WebSocket } from 'ws';
import { mintToken, startBroker } from '../../src/broker/index.ts';
import { Viewer } from './browser.ts';

const secret = 'a secret for tests, long enough to sign with';
const count = 5000;
const atOnce = 100;

test('with 5,000 nodes only what is in sight exists, and stays in place while all of them are updated', async () => {
  const many = 20_000;
  const broker = await startBroker({
    secret,
    port: 0,
    maxConnectionsPerAddress: many,
    maxConnectionsPerSecond: many,
    maxRequestsPerSecond: many,
    maxUnfinished: many,
    maxUnfinishedPerAddress: many,
    handshakeMs: 60_000,
  });
  const links: WebSocket[] = [];
  const join = async (number: number) => {
    const node = `edge-${number}`;
    const headers = { authorization: `Bearer ${await mintToken({ secret, agent: node })}` };
    const url = `${broker.url}/v1/agent?node=${node}&instance=one&version=0.1.${number % 7}`;
    const link = new WebSocket(url, 'fairlead.v1', { headers });
    links.push(link);
    await once(link, 'open');
  };
  try {
    // Not all at once: no handshake should wait for thousands of others.
    for (let first = 1; first <= count; first += atOnce)
      await Promise.all(Array.from({ length: atOnce }, (_, i) => join(first + i)));
    await using viewer = await Viewer.open(`${broker.url.replace('ws', 'http')}/`);
    const { page } = viewer;
    await expect.poll(() => page.getAttribute('#grid', 'aria-rowcount')).toBe(String(count + 1));
    expect(await page.textContent('#tiles')).toContain('5,000');
    const size = () => page.evaluate(() => document.querySelectorAll('*').length);
    expect(await size()).toBeLessThan(1500);

    await page.focus('#grid');
    await page.keyboard.press('End');
    expect(await viewer.active()).toBe('edge-5000');
    await page.keyboard.press('PageUp');
    await page.evaluate(() => {
      const grid = document.getElementById('grid');
      if (grid !== null) grid.scrollTop = grid.scrollHeight / 2;
    });
    await expect.poll(() => viewer.names()).toContain('edge-2501');
    const place = () => page.locator('.row', { hasText: 'edge-2501' }).boundingBox();
    const before = await place();
    const answers = viewer.urls.length;
    await join(count + 1);
    await expect.poll(() => page.getAttribute('#grid', 'aria-rowcount')).toBe(String(count + 2));
    expect(viewer.urls.length).toBeGreaterThan(answers);
    expect(await place()).toEqual(before);
    expect(await size()).toBeLessThan(1500);

    await page.fill('#search', 'edge-4999');
    expect(await viewer.names()).toEqual(['edge-4999']);
    await page.fill('#search', '0.1.6');
    expect(await page.textContent('#count')).toBe('714 of 5,001');
    await page.click('#columns .node button');
    expect((await viewer.names())[0]).toBe('edge-4997');
  } finally {
    for (const link of links) link.terminate();
    await broker.close();
  }
}, 120_000);
