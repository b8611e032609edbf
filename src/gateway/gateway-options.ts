// What a gateway may be told, with the defaults; checked once, here.

import * as z from 'zod';
import type { BrokerClient } from '../client/index.ts';
import { FairleadError } from '../protocol/errors.ts';
import type { DialTracer } from '../tracing/dial-tracer.ts';
import type { Credentials } from './credentials.ts';
import type { GatewayLog } from './gateway-log.ts';
import type { GatewayAddress, ServerCertificate } from './listener.ts';
import type { GatewayMeter } from './meter.ts';
import type { ProxyOptions } from './proxy/proxy-paths.ts';

/** What is served where, and for how long things may take. */
export interface GatewayOptions {
  /** Dials; stays open when the gateway closes. */
  readonly broker: Pick<BrokerClient, 'dial' | 'resolve' | 'status'>;
  /** Where HTTP CONNECT is spoken. */
  readonly httpConnect?: readonly GatewayAddress[];
  /** Where SOCKS5 is spoken; not over TLS, which its clients do not know. */
  readonly socks5?: readonly GatewayAddress[];
  /** Where and how the proxy paths are served. */
  readonly proxy?: ProxyOptions | undefined;
  /** Where the status page is, and nothing else. */
  readonly statusPage?: readonly GatewayAddress[];
  /** Build of the gateway, for people. Default `dev`. */
  readonly version?: string;
  /** For `tls` addresses: certificate, key, and the authorities of the clients. Followed. */
  readonly certificate?: ServerCertificate | undefined;
  /** Who may use the plain addresses. Default: everybody on this machine. */
  readonly credentials?: Credentials | undefined;
  /** Longest that a dial takes, in ms. Range 1 to 86,400,000; default 10,000. */
  readonly dialTimeoutMs?: number;
  /** Longest that a client takes to say what it wants, in ms. Range 1 to 86,400,000; default 10,000. */
  readonly headTimeoutMs?: number;
  /** Connections served at once, over all listeners; more get 503. Range 1 to 1,000,000; default 10,000. */
  readonly maxConnections?: number;
  /**
   * How long a target's first bytes wait for a client that has not spoken, in ms. Range 0 to 10,000; default 100.
   * SOCKS5 clients do not need it.
   */
  readonly serverFirstGraceMs?: number;
  readonly log?: GatewayLog;
  /** Counts what happens. Default: nobody. */
  readonly meter?: GatewayMeter | undefined;
  /** Tells a collector of dials. Default: nobody. */
  readonly tracer?: DialTracer | undefined;
}

/** What holds where {@link GatewayOptions} say nothing. */
export const gatewayDefaults = {
  dialTimeoutMs: 10_000,
  headTimeoutMs: 10_000,
  maxConnections: 10_000,
  serverFirstGraceMs: 100,
} as const;

const dayMs = 86_400_000;

const settingsSchema = z.object({
  dialTimeoutMs: z.number().min(1).max(dayMs).default(gatewayDefaults.dialTimeoutMs),
  headTimeoutMs: z.number().min(1).max(dayMs).default(gatewayDefaults.headTimeoutMs),
  maxConnections: z.int().min(1).max(1_000_000).default(gatewayDefaults.maxConnections),
  serverFirstGraceMs: z.number().min(0).max(10_000).default(gatewayDefaults.serverFirstGraceMs),
});

/** @throws FairleadError ERR_CONFIG that names the option */
export function parseSettings(options: GatewayOptions): z.infer<typeof settingsSchema> {
  const parsed = settingsSchema.safeParse(options);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new FairleadError('ERR_CONFIG', `gateway option "${issue?.path.join('.')}": ${issue?.message}`);
}
