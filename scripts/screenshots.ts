// The pictures of the status page for docs/status-page.md, each with the same made-up fleet.

import { mkdirSync, statSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { chromium, type Page } from 'playwright-core';
import { page as html, pageHeaders } from '../src/page/served.ts';
import type { InstanceStatus, NodeStatus, Status } from '../src/protocol/status.ts';

const folder = 'docs/status-page';
/** What a document should not weigh more than, in bytes. */
const mostBytes = 150_000;
const nodes = 24;
/** Answers before a picture is taken: enough for a sparkline from one side to the other. */
const answers = 64;

const names = ['berlin', 'oslo', 'porto', 'turin'].flatMap((site) =>
  Array.from({ length: nodes / 4 }, (_, i) => ({ site, node: `${site}-${i + 1}` })),
);
const beganAt = Date.now();
let asked = 0;
const sums = names.map(() => ({ received: 0, sent: 0 }));

function instanceOf(i: number, site: string): InstanceStatus {
  const since = new Date(beganAt - (((i * 7919) % 83) + 1) * 4_000_000).toISOString();
  const sessions = [2, 0, 1, 0, 3, 0, 1][i % 7] ?? 0;
  const sum = sums[i] ?? { received: 0, sent: 0 };
  const wave = 1 + Math.sin(asked / (4 + (i % 5)) + i) + 0.25 * Math.sin(asked * (1 + (i % 3)) + i);
  sum.received += 30_000 * sessions * Math.max(0, wave) * (1 + (i % 11));
  sum.sent += 2000 * sessions * Math.max(0, wave);
  return {
    instance: ['V1StGXR8_Z5j', 'kx0Qp2aLw9Tb', 'mN3vYc7RqLsd'][i % 3] ?? '',
    version: i % 9 === 5 ? '0.0.9' : '0.1.0',
    state: i === 9 ? 'draining' : 'ready',
    since,
    address: i % 6 === 5 ? `2001:db8:${i}::1f` : `203.0.113.${20 + i}`,
    labels: { site, rack: `b-${(i % 6) + 1}` },
    routes: i % 6 === 0 ? [`10.${20 + i}.0.0/16`, `db.${site}.internal`] : [],
    sessions,
    streams: sessions * ((i % 4) + 1),
    rttMs: 3 + ((i * 29) % 61),
    receivedBytes: Math.round(sum.received),
    sentBytes: Math.round(sum.sent),
    ...(i === 4 ? failed('ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:5432', 95_000) : {}),
    ...(i === 11
      ? failed('ERR_TARGET_DENIED', '10.0.0.9:22 is not on the allow list of this agent', 9e6)
      : {}),
    ...(i === 18 ? failed('ETIMEDOUT', 'no answer from 10.41.0.7:8443 within 10 s', 640_000) : {}),
  };
}

function failed(code: string, reason: string, agoMs: number): Pick<InstanceStatus, 'lastError'> {
  return { lastError: { code, reason, at: new Date(beganAt - agoMs).toISOString() } };
}

function answer(): Status {
  asked++;
  const list: NodeStatus[] = names.map(({ node, site }, i) => ({ node, instances: [instanceOf(i, site)] }));
  const sessions = list.reduce((sum, { instances }) => sum + (instances[0]?.sessions ?? 0), 0);
  return {
    broker: {
      version: '0.1.0',
      engine: 'memory',
      startedAt: new Date(beganAt - 1_900_000_000).toISOString(),
      draining: false,
      links: { agent: list.length, dial: sessions },
      sessions,
      bufferedBytes: 18_432,
      eventLoopP99Ms: 1.4,
    },
    nodes: list,
  };
}

const server = createServer(({ url }, response) => {
  if (url === '/') response.writeHead(200, pageHeaders).end(html);
  else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer()));
});
await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`;
const browser = await chromium.launch({
  executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium',
  args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking', '--disable-component-update'],
});

interface Picture {
  readonly name: string;
  readonly scheme: 'light' | 'dark';
  readonly width: number;
  readonly height: number;
  readonly pose?: (page: Page) => Promise<unknown>;
}

const pictures: readonly Picture[] = [
  { name: 'light', scheme: 'light', width: 1400, height: 760 },
  { name: 'dark', scheme: 'dark', width: 1400, height: 760 },
  {
    name: 'details',
    scheme: 'light',
    width: 1400,
    height: 800,
    async pose(page) {
      await page.fill('#search', 'berlin');
      await page.click('text=berlin-5');
    },
  },
  { name: 'phone', scheme: 'dark', width: 390, height: 844 },
];

mkdirSync(folder, { recursive: true });
try {
  for (const { name, scheme, width, height, pose } of pictures) {
    const viewport = { width, height };
    const context = await browser.newContext({
      viewport,
      colorScheme: scheme,
      locale: 'en-GB',
      timezoneId: 'UTC',
    });
    const page = await context.newPage();
    // Two minutes of answers in a few seconds: rates are told by the page's own clock, which goes as fast.
    await page.clock.install();
    await page.goto(url);
    await page.waitForSelector('.row');
    for (let i = 0; i < answers; i++) {
      const next = page.waitForResponse(/status$/);
      await page.clock.runFor(2000);
      await next;
    }
    await pose?.(page);
    await page.clock.runFor(100);
    const path = `${folder}/${name}.png`;
    await page.screenshot({ path });
    const { size } = statSync(path);
    if (size > mostBytes) throw new Error(`${path} has ${size} bytes`);
    console.log(`${path} ${size} bytes`);
    await context.close();
  }
} finally {
  await browser.close();
  server.closeAllConnections();
  server.close();
}
