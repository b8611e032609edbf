// Keeps one link up: connects, and connects again with full-jitter back-off when it is lost, or at once when the
// broker asks for it. The newest link wins; the old one is let go only when the new one can be used.

import { ExponentialBackoff, fullJitterGenerator, type IBackoff } from 'cockatiel';
import type { ControlMessage, Hello } from '../protocol/control.ts';
import type { FairleadError } from '../protocol/errors.ts';
import { frameTypes } from '../protocol/frame.ts';
import type { BrokerAccess } from './broker-access.ts';
import type { BrokerLink, CertificateWatch, LinkHandler, LinkMaker } from './broker-link.ts';
import { TokenRenewal } from './token-renewal.ts';

export interface KeeperHandler {
  /** What the dial is known by that a link is opened for. */
  requestId?(): string | undefined;
  /** A link that can be used, the first or another one. */
  up(link: BrokerLink, hello: Hello): void;
  /** The link was lost, or an attempt to get one failed. Answer false to give up. */
  down(error: FairleadError): boolean;
  control(message: ControlMessage): void;
  message(data: Uint8Array): void;
  drained(): void;
}

/** A broker that is restarted is back in seconds: its peers ask for it every second at least … */
const soon = new ExponentialBackoff({
  initialDelay: 250,
  maxDelay: 1000,
  exponent: 2,
  generator: fullJitterGenerator,
});
/** … and one that has been away for so long, in ms, is not asked by thousands of them every second. */
const longAwayMs = 30_000;
const patient = new ExponentialBackoff({
  initialDelay: 4000,
  maxDelay: 15_000,
  exponent: 2,
  generator: fullJitterGenerator,
});
/** A path that is but slow must not lose its links, and what is on the way in them, over and over. */
const trySecondEveryMs = 30_000;
/** Peers that are all asked to move at once should not all arrive at once. */
const moveSpreadMs = 100;

export class LinkKeeper {
  private readonly links: LinkMaker;
  private readonly path: string;
  private readonly query: () => Record<string, string>;
  private readonly handler: KeeperHandler;
  private current: BrokerLink | undefined;
  private next: BrokerLink | undefined;
  private readonly renewal: TokenRenewal;
  private readonly certificates: CertificateWatch | undefined;
  /** Stops listening for newer tokens and certificates. */
  private forget: (() => void) | undefined;
  private timer: ReturnType<typeof setTimeout> | undefined;
  private delay: IBackoff<number> | undefined;
  /** When there was a link last, or the first was asked for. */
  private awaySinceMs = 0;
  private isLongAway = false;
  /** Why the link in use was lost while the next one was under way. */
  private lost: FairleadError | undefined;
  private triedSecondMs = Number.NEGATIVE_INFINITY;
  private closed = false;
  private attempt = 0;

  /** `query` is asked at each connect. Call {@link start} to begin. */
  constructor(links: LinkMaker, path: string, query: () => Record<string, string>, handler: KeeperHandler) {
    this.links = links;
    this.path = path;
    this.query = query;
    this.handler = handler;
    this.renewal = new TokenRenewal(links.access, (token) =>
      this.current?.sendControl(frameTypes.REAUTH, undefined, { token }),
    );
    this.certificates = links.watchCertificate?.(() => this.move());
  }

  /** The link in use, if there is one. */
  get link(): BrokerLink | undefined {
    return this.current;
  }

  start(): void {
    if (this.closed || this.next !== undefined) return;
    this.forget ??= this.listen();
    this.awaySinceMs = performance.now();
    this.connect();
  }

  /** Ends every link and timer; the handler hears nothing more. */
  close(): void {
    this.closed = true;
    this.forget?.();
    this.renewal.end();
    this.certificates?.end();
    clearTimeout(this.timer);
    this.next?.close();
    this.current?.close();
    this.next = undefined;
    this.current = undefined;
  }

  private connect(): void {
    clearTimeout(this.timer);
    this.timer = undefined;
    const handler: LinkHandler = {
      requestId: () => this.handler.requestId?.(),
      hello: (hello) => this.onHello(link, hello),
      control: (message) => {
        if (link !== this.current) return;
        if (message.type === frameTypes.GOAWAY) this.move();
        if (message.type === frameTypes.REAUTH) this.renewal.answered();
        this.handler.control(message);
      },
      message: (data) => {
        if (link === this.current) this.handler.message(data);
      },
      drained: () => {
        if (link === this.current) this.handler.drained();
      },
      silent: () => {
        if (link === this.current) this.trySecond();
      },
      closed: (error) => this.onClosed(link, error),
    };
    // Tells the broker which of two links is the newer, in whatever order they reach it.
    this.attempt += 1;
    const query = { ...this.query(), attempt: String(this.attempt) };
    const link: BrokerLink = this.links.open(this.path, query, handler);
    this.next = link;
  }

  private onHello(link: BrokerLink, hello: Hello): void {
    if (this.closed || link !== this.next) return;
    const old = this.current;
    this.current = link;
    this.next = undefined;
    this.lost = undefined;
    this.delay = undefined;
    this.renewal.begin(link.credentials?.token);
    if (link.credentials !== undefined) this.certificates?.begin(link.credentials);
    old?.close();
    this.handler.up(link, hello);
  }

  private onClosed(link: BrokerLink, error: FairleadError): void {
    if (this.closed) return;
    if (link === this.next) this.next = undefined;
    else if (link === this.current) {
      this.current = undefined;
      this.lost = error;
      this.awaySinceMs = performance.now();
      this.renewal.end();
      this.certificates?.end();
    } else return;
    // While one link is up or under way, the loss of the other is no news.
    if (this.current !== undefined || this.next !== undefined) return;
    const reason = this.lost ?? error;
    this.lost = undefined;
    if (this.handler.down(reason)) this.retry();
    else this.close();
  }

  private listen(): () => void {
    const { onTokenChange, onCertificateChange }: BrokerAccess = this.links.access;
    const forgetToken = onTokenChange?.(() => this.changed(() => this.renewal.renew()));
    const forgetCertificate = onCertificateChange?.(() =>
      this.changed(async () => this.certificates?.look()),
    );
    return () => {
      forgetToken?.();
      forgetCertificate?.();
    };
  }

  /** Credentials that were refused a moment ago may be good now. */
  private changed(renew: () => Promise<void>): void {
    if (this.current !== undefined) void renew();
    else if (this.timer !== undefined) this.connect();
  }

  private retry(): void {
    if (this.closed || this.timer !== undefined) return;
    const isLongAway = performance.now() - this.awaySinceMs >= longAwayMs;
    if (isLongAway !== this.isLongAway) this.delay = undefined;
    this.isLongAway = isLongAway;
    this.delay = this.delay?.next(0) ?? (isLongAway ? patient : soon).next();
    this.timer = setTimeout(() => this.connect(), this.delay.duration);
  }

  /**
   * The path of the link in use may be gone for good, as after a change of address, or TCP's next try on it far off. A
   * connection of its own finds out sooner than silence does, and takes over only if it comes to stand.
   */
  private trySecond(): void {
    const now = performance.now();
    if (now - this.triedSecondMs < trySecondEveryMs) return;
    this.triedSecondMs = now;
    this.move();
  }

  /** The link in use is going to end: get the next one now, and use the old one meanwhile. */
  private move(): void {
    if (this.next !== undefined || this.timer !== undefined) return;
    this.timer = setTimeout(() => this.connect(), Math.random() * moveSpreadMs);
  }
}
