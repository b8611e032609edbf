// What a broker on Node may be told, checked once where it comes in.

import * as z from 'zod';
import type { AuditLog } from '../files/audit-log.ts';
import { FairleadError } from '../protocol/errors.ts';
import { type BrokerLog, silentLog } from './broker-log.ts';
import type { IdentifyCertificate } from './identity-certificate.ts';
import type { Revocations } from './identity-deny.ts';
import { fixedKeys, secretKey } from './identity-keys.ts';
import type { Issuer } from './identity-verifier.ts';
import { defaultKeepAlive } from './keep-alive.ts';
import { brokerLimits, limitsShape } from './limits.ts';
import type { NatsOptions } from './nats/options.ts';
import type { ServerTls } from './node-tls.ts';
import { originsSchema } from './origins.ts';
import { defaultRelayOptions } from './relay-options.ts';
import { proxyHeaders } from './source.ts';

const relay = defaultRelayOptions;

const settingsSchema = z.object({
  ...limitsShape(brokerLimits),
  /** Address to listen on. Default 127.0.0.1. */
  host: z.string().min(1).default('127.0.0.1'),
  /** 0 picks a free port. Default 8080. */
  port: z.int().min(0).max(65_535).default(8080),
  version: z.string().max(64).default(relay.version),
  inFlightBytes: z.int().min(65_536).default(relay.inFlightBytes),
  highWaterBytes: z.int().min(65_536).default(relay.highWaterBytes),
  lowWaterBytes: z.int().min(0).default(relay.lowWaterBytes),
  slowReaderSlackBytes: z.int().min(0).default(relay.slowReaderSlackBytes),
  agentLimitBytes: z
    .int()
    .min(1024 * 1024)
    .default(relay.agentLimitBytes),
  maxUnanswered: z.int().min(1).default(relay.maxUnanswered),
  /** Silence after which a peer is pinged, in milliseconds. Default 5000. */
  idleMs: z.int().min(10).default(defaultKeepAlive.idleMs),
  /** Silence after which a link is given up, in milliseconds. Default 15 000. */
  silenceMs: z.int().min(20).default(defaultKeepAlive.silenceMs),
  /** Longest that a TLS handshake, a request's headers or an upgrade may take, in milliseconds. Default 10 000. */
  handshakeMs: z.int().min(10).default(10_000),
  /** Longest that `drain` waits for peers to move, in milliseconds. Default 5000. */
  drainMs: z.int().min(0).default(5000),
  /** Load balancers whose word about who connects is believed: addresses and CIDRs. Default: none. */
  trustedProxies: z.array(z.string()).max(256).default([]),
  /** The header that they append to. Default `x-forwarded-for`. */
  proxyHeader: z.enum(proxyHeaders).default('x-forwarded-for'),
  /** Sites whose pages may dial and ask for nodes: origins. Default: none. */
  allowOrigins: originsSchema.default([]),
});

export const statusPageModes = ['loopback', 'token', 'off'] as const;
export type StatusPageMode = (typeof statusPageModes)[number];

export type BrokerSettings = z.infer<typeof settingsSchema>;

type OptionalSettings = { readonly [Name in keyof BrokerSettings]?: BrokerSettings[Name] | undefined };

export interface BrokerOptions extends OptionalSettings {
  /** Whose tokens are taken. There must be some, or `secret`, or `identify`. */
  readonly issuers?: readonly Issuer[] | undefined;
  /** One issuer more: signs tokens; as its file has it. At least 32 bytes. */
  readonly secret?: string | Uint8Array | undefined;
  /** Claims that every token signed with `secret` must have. Default: any. */
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  /** Who a client certificate is for, with `tls.ca` to verify it with. Default: nobody is asked for one. */
  readonly identify?: IdentifyCertificate | undefined;
  /** Who is refused, and whose links are closed, although the token or certificate is good. Default: nobody. */
  readonly revocations?: Revocations | undefined;
  /** Who was let in and who was not. Default: nowhere. */
  readonly audit?: AuditLog | undefined;
  /** Default: plain HTTP. */
  readonly tls?: ServerTls | undefined;
  /** Where /metrics is. Default: on this very listener, for those who ask from loopback. */
  readonly listenFd?: number | undefined;
  readonly metrics?: { readonly host: string; readonly port: number } | 'off' | undefined;
  /**
   * The status page at `/`, and its data: `loopback`, without a token for whoever asks from loopback; `token`, with one
   * only; `off`, no page, and the data with a token only. Default `loopback`.
   */
  readonly statusPage?: StatusPageMode | undefined;
  /** Other replicas are met over NATS. Default: this process is the only one. */
  readonly nats?: NatsOptions | undefined;
  /** A pino logger, for one. Default: silent. */
  readonly log?: BrokerLog | undefined;
}

/** @throws FairleadError ERR_CONFIG that names the setting. */
export function parseSettings(options: BrokerOptions): BrokerSettings {
  const parsed = settingsSchema.safeParse(options);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new FairleadError('ERR_CONFIG', `broker setting "${issue?.path.join('.')}": ${issue?.message}`);
  }
  if (parsed.data.lowWaterBytes >= parsed.data.highWaterBytes)
    throw new FairleadError('ERR_CONFIG', 'broker setting "lowWaterBytes" must be below "highWaterBytes"');
  return parsed.data;
}

/** @throws FairleadError ERR_CONFIG where there is none, or the secret is too short. */
export function issuersOf(options: BrokerOptions): readonly Issuer[] {
  const { issuers = [], identify, secret, issuer, audience } = options;
  const all =
    secret === undefined ? issuers : [...issuers, { keys: fixedKeys([secretKey(secret)]), issuer, audience }];
  if (all.length === 0 && identify === undefined)
    throw new FairleadError('ERR_CONFIG', 'a broker needs keys to check tokens with');
  return all;
}

export function logOf(options: BrokerOptions): BrokerLog {
  return options.log ?? silentLog;
}
