// A real Chromium that looks at one status page, and what it must not do while it does.

import { type Browser, type BrowserContext, chromium, type Page } from 'playwright-core';
import { afterAll, expect } from 'vitest';

const quiet = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/** Debian's, or what CHROMIUM names: it asks nobody for anything by itself. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: quiet });
}

/** One for all tests of a file; each looks through a window that knows nothing of the others. */
let browser: Promise<Browser> | undefined;

afterAll(async () => (await browser)?.close());

export interface Look {
  readonly width?: number;
  readonly height?: number;
  readonly scheme?: 'light' | 'dark';
  readonly motion?: 'reduce' | 'no-preference';
  readonly touch?: boolean;
}

/** One window, and what it did besides what it was told to. */
export class Viewer implements AsyncDisposable {
  readonly page: Page;
  /** Requests to another origin than the page's. */
  readonly strangers: string[] = [];
  /** What the content security policy forbade, and errors that nobody caught. */
  readonly faults: string[] = [];
  /** Every request's URL. */
  readonly urls: string[] = [];
  readonly #context: BrowserContext;

  private constructor(context: BrowserContext, page: Page) {
    this.#context = context;
    this.page = page;
  }

  static async open(url: string, look: Look = {}): Promise<Viewer> {
    const { width = 1280, height = 800, scheme = 'light', motion = 'no-preference', touch = false } = look;
    browser ??= launchChromium();
    const context = await (await browser).newContext({
      viewport: { width, height },
      colorScheme: scheme,
      reducedMotion: motion,
      hasTouch: touch,
      locale: 'en-GB',
      timezoneId: 'UTC',
    });
    const page = await context.newPage();
    const viewer = new Viewer(context, page);
    const { origin } = new URL(url);
    page.on('request', (request) => {
      viewer.urls.push(request.url());
      if (!request.url().startsWith('data:') && new URL(request.url()).origin !== origin)
        viewer.strangers.push(request.url());
    });
    page.on('pageerror', (error) => viewer.faults.push(String(error)));
    page.on('console', (message) => {
      if (/Content Security Policy|TrustedHTML|Trusted Type/i.test(message.text()))
        viewer.faults.push(message.text());
    });
    await page.goto(url);
    return viewer;
  }

  /** The names in sight, from the top. */
  async names(): Promise<string[]> {
    return this.page.evaluate(() =>
      [...document.querySelectorAll<HTMLElement>('#canvas .row:not([hidden])')]
        .sort((a, b) => Number(a.ariaRowIndex) - Number(b.ariaRowIndex))
        .map((row) => row.querySelector('.name')?.textContent ?? ''),
    );
  }

  /** What a cell of the row with that name says. */
  async cell(name: string, column: string): Promise<string | undefined> {
    return this.page.evaluate(
      ([wanted, id]) =>
        [...document.querySelectorAll('#canvas .row:not([hidden])')]
          .find((row) => row.querySelector('.name')?.textContent === wanted)
          ?.querySelector(`.cell.${id}`)?.textContent ?? undefined,
      [name, column] as const,
    );
  }

  async active(): Promise<string | undefined> {
    return this.page.evaluate(() => {
      const id = document.getElementById('grid')?.getAttribute('aria-activedescendant');
      return document.getElementById(id ?? '')?.querySelector('.name')?.textContent ?? undefined;
    });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#context.close();
    expect(this.strangers).toEqual([]);
    expect(this.faults).toEqual([]);
  }
}
