// Makes tokens for `fairlead token` and for tests. The token is the return value and goes nowhere else.

import { SignJWT } from 'jose';
import { nanoid } from 'nanoid';
import * as z from 'zod';
import { FairleadError } from '../protocol/errors.ts';
import { nodeNameSchema } from './grants.ts';
import { nodePatternsSchema, principalSchema, targetsSchema } from './identity.ts';
import { type PinnedKey, secretKey } from './identity-keys.ts';
import { routesSchema } from './identity-routes.ts';
import { privateKey } from './signing-key.ts';

interface MintCommon {
  /** What signs it: a shared secret, as its file has it, of at least 32 bytes; or {@link key}. */
  readonly secret?: string | Uint8Array | undefined;
  /** A private key, as "fairlead keys" or PKCS #8 has it. */
  readonly key?: string | undefined;
  /** Seconds, at least 1. Default 86 400. */
  readonly ttlSeconds?: number | undefined;
  /** Whom the token is for. Default `agent:NODE`, or `dial:` and a random name. */
  readonly subject?: string | undefined;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
}

export type MintOptions = MintCommon &
  (
    | { readonly agent: string; readonly routes?: readonly string[] | undefined }
    | { readonly dial: readonly string[]; readonly targets?: readonly string[] | undefined }
  );

const defaultTtlSeconds = 86_400;
const ttlSchema = z
  .number()
  .int()
  .min(1)
  .max(10 * 366 * 86_400);

/** @throws FairleadError ERR_CONFIG where an option is not one that the broker would take. */
export async function mintToken(options: MintOptions): Promise<string> {
  const { algorithm, kid, key } = await signingKeyOf(options);
  const ttlSeconds = check('ttl', ttlSchema, options.ttlSeconds ?? defaultTtlSeconds);
  const fairlead = grantClaim(options);
  const standardSubject = 'agent' in options ? `agent:${options.agent}` : `dial:${nanoid()}`;
  const subject = check('subject', principalSchema, options.subject ?? standardSubject);
  const nowSeconds = Math.floor(Date.now() / 1000);
  const token = new SignJWT({ fairlead })
    .setProtectedHeader({ alg: algorithm, typ: 'JWT', ...(kid === undefined ? {} : { kid }) })
    // A token can be revoked by its own name.
    .setJti(nanoid())
    .setSubject(subject)
    .setIssuedAt(nowSeconds)
    .setExpirationTime(nowSeconds + ttlSeconds);
  if (options.issuer !== undefined) token.setIssuer(options.issuer);
  if (options.audience !== undefined) token.setAudience(options.audience);
  return token.sign(key);
}

async function signingKeyOf({ secret, key }: MintOptions): Promise<PinnedKey> {
  if ((secret === undefined) === (key === undefined))
    throw new FairleadError('ERR_CONFIG', 'a token is signed with a secret or with a key: give one of them');
  return key === undefined ? secretKey(secret ?? '') : await privateKey(key);
}

function grantClaim(options: MintOptions): object {
  if ('agent' in options) {
    const agent = check('node', nodeNameSchema, options.agent);
    if (options.routes === undefined) return { agent };
    return { agent, routes: check('route', routesSchema, options.routes) };
  }
  const dial = check('node pattern', nodePatternsSchema, options.dial);
  if (options.targets === undefined) return { dial };
  return { dial, targets: check('target', targetsSchema, options.targets) };
}

function check<Schema extends z.ZodType>(what: string, schema: Schema, value: unknown): z.infer<Schema> {
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new FairleadError(
    'ERR_CONFIG',
    `the ${what} of a token: ${parsed.error.issues[0]?.message ?? 'not valid'}`,
  );
}
