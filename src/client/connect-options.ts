// What a program tells `connect` and `dial`, checked once, here.

import { nanoid } from 'nanoid';
import * as z from 'zod';
import { type E2eDialerOptions, e2eDialerSchema } from '../e2e/options.ts';
import type { BrokerAccess, ClientCertificate } from '../link/broker-access.ts';
import { isSocketPath, socketPort } from '../link/socket-path.ts';
import { requestIdPattern, traceparentPattern } from '../protocol/dial-mark.ts';
import { FairleadError } from '../protocol/errors.ts';
import type { ClientMeter } from './meter.ts';

/** Where the broker is and who calls, and how long to wait. */
export interface ConnectOptions extends BrokerAccess {
  /** Longest that a stream waits for a link or an agent that is away, in ms. Range 0 to 86,400,000; default 60,000. */
  readonly resumeWindowMs?: number | undefined;
  /** How long a link without streams is kept, in ms. Range 0 to 86,400,000; default 30,000. */
  readonly idleLinkMs?: number | undefined;
  /** Longest that a dial takes where it does not say so itself, in ms. Range 1 to 86,400,000; default 10,000. */
  readonly dialTimeoutMs?: number | undefined;
  /**
   * Encrypts every stream from here to the agent, which shows its own key: then the broker sees neither bytes nor
   * targets. There is no fall-back to streams that are not encrypted. Default: none are.
   */
  readonly e2e?: E2eDialerOptions | undefined;
  /** Counts what happens to sessions. Default: nobody. */
  readonly meter?: ClientMeter | undefined;
  /** Closes everything when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** A target with a port. */
export interface TcpTarget {
  /** Host name or address of the target, as the agent sees it. */
  readonly host: string;
  /** 1 to 65,535. */
  readonly port: number;
  readonly path?: undefined;
}

/** A UNIX socket, or a named pipe of a node with Windows. */
export interface SocketTarget {
  /** Where it is on the node: absolute, without `..`, at most 107 bytes; or `\\.\pipe\NAME`. */
  readonly path: string;
  readonly host?: undefined;
  readonly port?: undefined;
}

/** What to connect to, and by whose agent. */
export type DialOptions = DialManner & (TcpTarget | SocketTarget);

/** All of a dial but its target. */
export interface DialManner {
  /** Name of the node whose agent connects. */
  readonly node: string;
  /** Gives the dial up when aborted; no effect once it is connected. */
  readonly signal?: AbortSignal | undefined;
  /** Longest that the dial takes, in ms. Default: the connection's `dialTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
  /** As for `net.Socket`: false ends our side when the target has ended its own. Default false. */
  readonly allowHalfOpen?: boolean | undefined;
  /**
   * What logs on the way know the dial by, 1 to 64 characters of `A-Z a-z 0-9 _ -`. Default: one of its own, the
   * socket's `requestId`.
   */
  readonly requestId?: string | undefined;
  /** W3C Trace Context of what the dial is part of, version 00: the agent's log and spans have it. Default: none. */
  readonly traceparent?: string | undefined;
}

/** How long to wait for an answer to a ping. */
export interface PingOptions {
  /** Gives the ping up when aborted. */
  readonly signal?: AbortSignal | undefined;
  /** Longest that the answer may take, in ms. Range 1 to 86,400,000; default: the connection's `dialTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
}

export interface StatusOptions {
  readonly signal?: AbortSignal | undefined;
  /** Of somebody else, in whose name the broker is asked. Default: the connection's own. */
  readonly token?: string | undefined;
}

const dayMs = 86_400_000;

/** What cannot be checked before it is called. */
function functionSchema<T>() {
  return z.custom<T>((it) => typeof it === 'function');
}

type Source<T> = () => T | Promise<T>;
type Watch = (listener: () => void) => () => void;

const certificateSchema = z.object({ cert: z.string().min(1), key: z.string().min(1) });

const connectFields = z.object({
  url: z.string(),
  token: z.union([z.string().min(1), functionSchema<Source<string>>()]).optional(),
  onTokenChange: functionSchema<Watch>().optional(),
  certificate: z.union([certificateSchema, functionSchema<Source<ClientCertificate>>()]).optional(),
  onCertificateChange: functionSchema<Watch>().optional(),
  ca: z
    .union([z.string().min(1), z.instanceof(Buffer), functionSchema<Source<string | Buffer>>()])
    .optional(),
  insecure: z.boolean().default(false),
  proxy: z.union([z.string(), functionSchema<Source<string | undefined>>()]).optional(),
  proxyCa: z
    .union([z.string().min(1), z.instanceof(Buffer), functionSchema<Source<string | Buffer>>()])
    .optional(),
  resumeWindowMs: z.number().min(0).max(dayMs).default(60_000),
  idleLinkMs: z.number().min(0).max(dayMs).default(30_000),
  dialTimeoutMs: z.number().min(1).max(dayMs).default(10_000),
  e2e: e2eDialerSchema.optional(),
  meter: z.custom<ClientMeter>((it) => typeof it === 'object' && it !== null).optional(),
  signal: z.instanceof(AbortSignal).optional(),
});

const connectSchema = connectFields.refine(
  ({ token, certificate }) => token !== undefined || certificate !== undefined,
  { path: ['token'], error: 'a token or a certificate must say who calls' },
);

export type ConnectSettings = z.infer<typeof connectSchema>;

const nodeSchema = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$/,
    'lower-case letters, digits, ".", "_" and "-", at most 253',
  );

const dialFields = z.object({
  node: nodeSchema,
  host: z.string().min(1).max(255).optional(),
  port: z.int().min(1).max(65_535).optional(),
  path: z
    .string()
    .refine(isSocketPath, 'an absolute path of a UNIX socket, without "..", at most 107 bytes')
    .optional(),
  signal: z.instanceof(AbortSignal).optional(),
  timeoutMs: z.number().min(1).max(dayMs).optional(),
  allowHalfOpen: z.boolean().default(false),
  requestId: z.string().regex(requestIdPattern, '1 to 64 of A-Z a-z 0-9 _ -').default(nanoid),
  traceparent: z.string().regex(traceparentPattern, 'as W3C Trace Context has it, version 00').optional(),
});

const dialSchema = dialFields.transform(({ host, port, path, ...manner }, context) => {
  if (path !== undefined && host === undefined && port === undefined)
    return { ...manner, host: `unix:${path}`, port: socketPort };
  if (path === undefined && host !== undefined && port !== undefined) return { ...manner, host, port };
  const [option, message] =
    path !== undefined
      ? ['path', 'is for a UNIX socket, which has no host and no port: give it or them, not both']
      : host === undefined
        ? ['host', 'a host and a port, or the path of a UNIX socket, must say what to connect to']
        : ['port', 'must be there, since there is a host'];
  context.issues.push({ code: 'custom', input: host, path: [option], message });
  return z.NEVER;
});

export type DialSettings = z.infer<typeof dialSchema>;

/** @throws FairleadError ERR_CONFIG that names the option */
export function parseConnect(options: ConnectOptions): ConnectSettings {
  return parse(connectSchema, options, 'connect');
}

/** @throws FairleadError ERR_CONFIG that names the option */
export function parseDial(options: DialOptions): DialSettings {
  return parse(dialSchema, options, 'dial');
}

const pingSchema = dialFields.pick({ node: true, signal: true, timeoutMs: true });

/** @throws FairleadError ERR_CONFIG that names the option */
export function parsePing(node: string, options: PingOptions): z.infer<typeof pingSchema> {
  return parse(pingSchema, { ...options, node }, 'ping');
}

function parse<Schema extends z.ZodType>(schema: Schema, value: unknown, what: string): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new FairleadError('ERR_CONFIG', `${what} option "${issue?.path.join('.')}": ${issue?.message}`);
}
