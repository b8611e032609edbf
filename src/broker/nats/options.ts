// How a broker reaches NATS, checked once where it comes in.

import {
  type ConnectionOptions,
  credsAuthenticator,
  tokenAuthenticator,
  usernamePasswordAuthenticator,
} from '@nats-io/transport-node';
import * as z from 'zod';
import { FairleadError } from '../../protocol/errors.ts';

export interface NatsOptions {
  /** `nats://HOST[:PORT]` or `tls://…`, several of one cluster. Credentials do not belong here. */
  readonly servers: readonly string[];
  /** Contents of a credentials file (JWT and seed). */
  readonly creds?: string | undefined;
  readonly token?: string | undefined;
  readonly user?: { readonly name: string; readonly password: string } | undefined;
  /** PEM. */
  readonly tls?: { readonly ca?: string; readonly cert?: string; readonly key?: string } | undefined;
  /** First token of every subject; brokers with different ones do not see each other. Default `fairlead`. */
  readonly prefix?: string | undefined;
}

export const defaultPrefix = 'fairlead';

const serverSchema = z.string().transform((text, context) => {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isPlain = url !== undefined && url.username === '' && url.password === '' && url.host !== '';
  if (!isPlain || !['nats:', 'tls:'].includes(url.protocol))
    context.addIssue('a NATS URL looks like nats://HOST:PORT; credentials belong in a file');
  return text;
});

const prefixSchema = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/, 'letters, digits, "_" and "-", at most 64');

/**
 * What the client library is told.
 *
 * @throws FairleadError ERR_CONFIG
 */
export function connectionOptions(options: NatsOptions, name: string): ConnectionOptions {
  const servers = check(z.array(serverSchema).min(1), options.servers);
  check(prefixSchema, options.prefix ?? defaultPrefix);
  const { creds, token, user, tls } = options;
  const authenticators = [
    ...(creds === undefined ? [] : [credsAuthenticator(new TextEncoder().encode(creds))]),
    ...(token === undefined ? [] : [tokenAuthenticator(token)]),
    ...(user === undefined ? [] : [usernamePasswordAuthenticator(user.name, user.password)]),
  ];
  if (authenticators.length > 1)
    throw new FairleadError('ERR_CONFIG', 'NATS: give credentials, a token or a user, not several of them');
  return {
    servers,
    name,
    // What a replica says is for the others.
    noEcho: true,
    waitOnFirstConnect: true,
    maxReconnectAttempts: -1,
    reconnectTimeWait: 250,
    reconnectJitter: 250,
    // A server that has died in silence is found out after 15 s at most.
    pingInterval: 5000,
    maxPingOut: 2,
    ...(authenticators[0] === undefined ? {} : { authenticator: authenticators[0] }),
    ...(tls === undefined ? {} : { tls }),
  };
}

function check<Schema extends z.ZodType>(schema: Schema, value: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new FairleadError('ERR_CONFIG', `NATS: ${parsed.error.issues[0]?.message ?? 'not valid'}`);
}
