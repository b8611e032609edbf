// Who a token says is calling: the two kinds of identity, and what a token's claims must look like to be one.
// Nothing is believed here: signature, issuer, audience and times are the verifier's.

import * as z from 'zod';
import { FairleadError } from '../protocol/errors.ts';
import { nodeNameSchema, nodePatternSchema } from './grants.ts';
import { routesSchema } from './identity-routes.ts';

interface CommonIdentity {
  /** Whom the token or certificate is for: its subject, after the prefix of the issuer. Sessions belong to it. */
  readonly principal: string;
  /** Milliseconds since the epoch at which the token or certificate ends. */
  readonly expiresAt: number;
  /** The claim `jti`, or `sha256:` and a certificate's fingerprint, by which it can be revoked; undefined: it has none. */
  readonly tokenId?: string | undefined;
  /** `serial:` and a certificate's serial number, by which it can be revoked too; undefined for tokens. */
  readonly serial?: string | undefined;
}

export interface AgentIdentity extends CommonIdentity {
  readonly kind: 'agent';
  /** The one node that this agent may serve. */
  readonly node: string;
  /** What the agent may claim to reach, see identity-routes.ts; empty: nothing. */
  readonly routes: readonly string[];
}

export interface DialIdentity extends CommonIdentity {
  readonly kind: 'dial';
  /** Patterns, see `matchesNode`. */
  readonly nodes: readonly string[];
  /** `HOST:PORT` patterns for the agent to enforce; undefined: whatever the agent allows. */
  readonly targets: readonly string[] | undefined;
}

export type Identity = AgentIdentity | DialIdentity;

/**
 * @throws FairleadError ERR_UNAUTHORIZED, or ERR_BROKER_UNREACHABLE where the keys to check with cannot be had
 *   at present; with a message that may be shown to whoever called.
 */
export type VerifyToken = (token: string) => Promise<Identity>;

export const targetsSchema = z.array(z.string().min(1).max(512)).max(256);
export const principalSchema = z.string().min(1).max(512);
export const nodePatternsSchema = z.array(nodePatternSchema).min(1).max(256);

/** A token says one of the two, never both: `never` where the other's claim stands. */
const grantSchema = z.union([
  z.object({ agent: nodeNameSchema, routes: routesSchema.optional(), dial: z.never().optional() }),
  z.object({ dial: nodePatternsSchema, targets: targetsSchema.optional(), agent: z.never().optional() }),
]);

const claimsSchema = z.object({
  sub: principalSchema,
  exp: z.number(),
  jti: z.string().min(1).max(256).optional(),
});

/**
 * The identity in the claims of a token whose signature, issuer, audience and times hold.
 *
 * @param prefix stands before `sub`, so that an issuer cannot name another's principals
 * @param grant what the issuer's mapping gives, to be checked as if the token said it
 * @throws FairleadError ERR_UNAUTHORIZED
 */
export function identityOf(payload: unknown, prefix: string, grant: unknown): Identity {
  const claims = claimsSchema.safeParse(payload);
  const granted = grantSchema.safeParse(grant);
  if (!claims.success || !granted.success)
    throw unauthorized('the token does not say what it grants, as "fairlead token" writes it');
  const principal = principalSchema.safeParse(prefix + claims.data.sub);
  if (!principal.success) throw unauthorized("the token's subject is too long");
  const { exp, jti } = claims.data;
  const common = { principal: principal.data, expiresAt: exp * 1000, tokenId: jti };
  const { data } = granted;
  if (data.agent !== undefined)
    return { kind: 'agent', node: data.agent, routes: data.routes ?? [], ...common };
  return { kind: 'dial', nodes: data.dial, targets: data.targets, ...common };
}

export function unauthorized(message: string): FairleadError {
  return new FairleadError('ERR_UNAUTHORIZED', message);
}
