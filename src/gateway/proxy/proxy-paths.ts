// The proxy paths of one gateway: what its listeners for them share, and how it ends.

import type { Front } from '../front.ts';
import type { GatewayLog } from '../gateway-log.ts';
import type { GatewayAddress } from '../listener.ts';
import type { TargetDialer } from '../target-dialer.ts';
import type { AcceptsBasic } from './caller.ts';
import { ProxyFront } from './proxy-front.ts';
import { TargetConnections } from './target-connections.ts';
import type { FollowedCredentials } from './target-credentials.ts';

/** Where the proxy paths are served, and how their targets are checked. */
export interface ProxyOptions {
  /** Where the proxy paths are served. */
  readonly addresses: readonly GatewayAddress[];
  /** How targets are checked, and what they are shown; stays open when the gateway closes. */
  readonly credentials: FollowedCredentials;
  /**
   * Plain `http` targets may be asked: the link to the broker is encrypted, or does not leave this machine.
   * Without it they are refused.
   */
  readonly takesPlainHttp: boolean;
  /** Requests at once at one address; more are answered 503. Range 1 to 1,000,000; default: `maxConnections`. */
  readonly maxExchanges?: number | undefined;
  /** Longest without a byte to or from a client, in ms. Range 1 to 2,147,483,647; default 4 hours, as a kubelet's. */
  readonly idleMs?: number | undefined;
}

export interface ProxyContext {
  readonly dialer: TargetDialer;
  readonly log: GatewayLog;
  readonly countRefused: (code: string) => void;
  readonly headTimeoutMs: number;
  readonly maxConnections: number;
  /** Who may use plain addresses. Undefined: everybody on this machine. */
  readonly acceptsBasic: AcceptsBasic | undefined;
}

const idleMs = 4 * 3_600_000;

export class ProxyPaths {
  readonly #options: ProxyOptions;
  readonly #context: ProxyContext;
  readonly #targets: TargetConnections;

  constructor(options: ProxyOptions, context: ProxyContext) {
    this.#options = options;
    this.#context = context;
    this.#targets = new TargetConnections(context.dialer, options.credentials);
  }

  /** Connections to targets, the idle ones included. */
  get targetCount(): number {
    return this.#targets.open;
  }

  frontFor({ kind }: GatewayAddress): Front {
    const { credentials, takesPlainHttp } = this.#options;
    const { headTimeoutMs, maxConnections, log, acceptsBasic, countRefused } = this.#context;
    return new ProxyFront({
      kind,
      targets: this.#targets,
      credentials,
      takesPlainHttp,
      // A socket's file and a client's certificate say who it is; on a plain port it is whoever has a password.
      acceptsBasic: kind === 'tcp' ? acceptsBasic : undefined,
      maxExchanges: this.#options.maxExchanges ?? maxConnections,
      idleMs: this.#options.idleMs ?? idleMs,
      headTimeoutMs,
      log,
      countRefused,
    });
  }

  /** Lets go of the connections that are kept for later. */
  drain(): void {
    this.#targets.drain();
  }

  close(): void {
    this.#targets.destroy();
  }
}
