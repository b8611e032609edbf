// A site with one page that has the browser's client as `window.fairlead`, and a real Chromium that looks at it.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Browser, Page } from 'playwright-core';
import { serveHttp } from '../rig/http-target.ts';
import type { Rig } from '../rig/rig.ts';
import { project } from './tarball.ts';

declare global {
  interface Window {
    fairlead: typeof import('../../src/browser/index.ts');
  }
}

const html = `<!doctype html><title>a dashboard</title>
<script type="module">import * as fairlead from '/fairlead.js'; window.fairlead = fairlead;</script>`;

/** Answers its origin. */
export async function serveSite(rig: Rig): Promise<string> {
  const bundle = readFileSync(join(project, 'dist/browser/fairlead.js'));
  const { port } = await serveHttp(rig, ({ url }, response) => {
    const isScript = url === '/fairlead.js';
    response.setHeader('content-type', isScript ? 'text/javascript' : 'text/html');
    response.end(isScript ? bundle : html);
  });
  return `http://127.0.0.1:${port}`;
}

export interface Visit {
  readonly page: Page;
  /** Every URL that was asked for, WebSockets included. */
  readonly urls: string[];
  /** Errors that nobody caught. */
  readonly faults: string[];
}

export async function visit(browser: Browser, origin: string): Promise<Visit> {
  const page = await browser.newPage();
  const urls: string[] = [];
  const faults: string[] = [];
  page.on('request', (request) => urls.push(request.url()));
  page.on('websocket', (webSocket) => urls.push(webSocket.url()));
  page.on('pageerror', (error) => faults.push(String(error)));
  await page.goto(origin);
  await page.waitForFunction(() => window.fairlead !== undefined);
  return { page, urls, faults };
}
