// What a page tells `connect` and `dial`, checked once, here.

import * as z from 'zod/mini';
import { FairleadError } from '../protocol/errors.ts';

/** Where the broker is and who calls, and how long to wait. */
export interface ConnectOptions {
  /**
   * `wss:` or `https:` URL of the broker; its path is a prefix of `/v1/…`. It must allow the page's origin
   * (`fairlead broker --allow-origin`).
   */
  readonly url: string;
  /**
   * A dial token. A function is asked at each connect, and again when most of the token's life has passed; keep no token
   * in the page that lives longer than the page should.
   */
  readonly token: string | (() => string | Promise<string>);
  /** Calls the listener whenever `token` may answer something new. Answers how to stop. */
  readonly onTokenChange?: ((listener: () => void) => () => void) | undefined;
  /** Allows `ws:` beyond loopback. Default false. */
  readonly insecure?: boolean | undefined;
  /** Longest that a stream waits for a link or an agent that is away, in ms. Range 0 to 86,400,000; default 60,000. */
  readonly resumeWindowMs?: number | undefined;
  /** How long a link without streams is kept, in ms. Range 0 to 86,400,000; default 30,000. */
  readonly idleLinkMs?: number | undefined;
  /** Longest that a dial takes where it does not say so itself, in ms. Range 1 to 86,400,000; default 10,000. */
  readonly dialTimeoutMs?: number | undefined;
  /** Closes everything when aborted. */
  readonly signal?: AbortSignal | undefined;
}

/** What to connect to, and by whose agent. */
export interface DialOptions {
  /** Name of the node whose agent connects. */
  readonly node: string;
  /** Host name or address of the target, as the agent sees it. */
  readonly host: string;
  /** 1 to 65,535. */
  readonly port: number;
  /** Gives the dial up when aborted; no effect once it is connected. */
  readonly signal?: AbortSignal | undefined;
  /** Longest that the dial takes, in ms. Range 1 to 86,400,000; default: the connection's `dialTimeoutMs`. */
  readonly timeoutMs?: number | undefined;
}

const dayMs = 86_400_000;

function functionSchema<T>() {
  return z.custom<T>((it) => typeof it === 'function');
}

const duration = (leastMs: number) => z.number().check(z.minimum(leastMs), z.maximum(dayMs));

const connectSchema = z.object({
  url: z.string(),
  token: z.union([z.string().check(z.minLength(1)), functionSchema<() => string | Promise<string>>()]),
  onTokenChange: z.optional(functionSchema<(listener: () => void) => () => void>()),
  insecure: z._default(z.boolean(), false),
  resumeWindowMs: z._default(duration(0), 60_000),
  idleLinkMs: z._default(duration(0), 30_000),
  dialTimeoutMs: z._default(duration(1), 10_000),
  signal: z.optional(z.instanceof(AbortSignal)),
});
export type ConnectSettings = z.infer<typeof connectSchema>;

const dialSchema = z.object({
  node: z
    .string()
    .check(
      z.regex(
        /^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$/,
        'lower-case letters, digits, ".", "_" and "-", at most 253',
      ),
    ),
  host: z.string().check(z.minLength(1), z.maxLength(255)),
  port: z.int().check(z.minimum(1), z.maximum(65_535)),
  signal: z.optional(z.instanceof(AbortSignal)),
  timeoutMs: z.optional(duration(1)),
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

function parse<Schema extends z.ZodMiniType>(schema: Schema, value: unknown, what: string): z.infer<Schema> {
  const parsed = z.safeParse(schema, value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  // zod/mini brings no words for what is wrong, unless a check has its own.
  const why = issue?.message === 'Invalid input' ? 'it is missing or not valid' : issue?.message;
  throw new FairleadError('ERR_CONFIG', `${what} option "${issue?.path.join('.')}": ${why}`);
}
