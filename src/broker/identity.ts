// Who a token says is calling. A token is believed only as far as its signature, issuer, audience and times
// hold; what fails is said without showing the token.

import { errors, jwtVerify } from 'jose';
import * as z from 'zod';
import { FairleadError } from '../protocol/errors.ts';
import { nodeNameSchema, nodePatternSchema } from './grants.ts';
import { parseSecret } from './secret.ts';

export interface AgentIdentity {
  readonly kind: 'agent';
  readonly principal: string;
  /** The one node that this agent may serve. */
  readonly node: string;
  /** Milliseconds since the epoch at which the token ends. */
  readonly expiresAt: number;
}

export interface DialIdentity {
  readonly kind: 'dial';
  readonly principal: string;
  /** Patterns, see `matchesNode`. */
  readonly nodes: readonly string[];
  /** `HOST:PORT` patterns for the agent to enforce; undefined: whatever the agent allows. */
  readonly targets: readonly string[] | undefined;
  readonly expiresAt: number;
}

export type Identity = AgentIdentity | DialIdentity;

/** @throws FairleadError ERR_UNAUTHORIZED, with a message that may be shown to whoever called. */
export type VerifyToken = (token: string) => Promise<Identity>;

export interface VerifierOptions {
  /** As the secret file has it: one trailing newline is not part of it. */
  readonly secret: string | Uint8Array;
  /** Claims `iss` and `aud` that a token must have; undefined: any. */
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
}

/** How far clocks may be apart. */
const clockToleranceSeconds = 5;

const maxTokenCharacters = 8192;

export const targetsSchema = z.array(z.string().min(1).max(512)).max(256);
export const principalSchema = z.string().min(1).max(512);
export const nodePatternsSchema = z.array(nodePatternSchema).min(1).max(256);

/** A token says one of the two, never both: `never` where the other's claim stands. */
const grantClaimSchema = z.union([
  z.object({ agent: nodeNameSchema, dial: z.never().optional() }),
  z.object({ dial: nodePatternsSchema, targets: targetsSchema.optional(), agent: z.never().optional() }),
]);

const claimsSchema = z.object({ sub: principalSchema, exp: z.number(), fairlead: grantClaimSchema });

/** @throws FairleadError ERR_CONFIG where the secret is too short. */
export function tokenVerifier(options: VerifierOptions): VerifyToken {
  const secret = parseSecret(options.secret);
  const expected = {
    // RFC 8725 §3.1: the algorithm is ours to choose, never the token's.
    algorithms: ['HS256'],
    requiredClaims: ['sub', 'exp'],
    clockTolerance: clockToleranceSeconds,
    ...(options.issuer === undefined ? {} : { issuer: options.issuer }),
    ...(options.audience === undefined ? {} : { audience: options.audience }),
  };
  return async (token) => {
    if (token.length > maxTokenCharacters) throw unauthorized('the token is too long');
    let payload: unknown;
    try {
      ({ payload } = await jwtVerify(token, secret, expected));
    } catch (error) {
      throw unauthorized(describeFailure(error));
    }
    const claims = claimsSchema.safeParse(payload);
    if (!claims.success)
      throw unauthorized('the token does not say what it grants, as "fairlead token" writes it');
    return identityOf(claims.data);
  };
}

function identityOf(claims: z.infer<typeof claimsSchema>): Identity {
  const common = { principal: claims.sub, expiresAt: claims.exp * 1000 };
  const grant = claims.fairlead;
  if (grant.agent !== undefined) return { kind: 'agent', node: grant.agent, ...common };
  return { kind: 'dial', nodes: grant.dial, targets: grant.targets, ...common };
}

function describeFailure(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired';
  if (error instanceof errors.JWTClaimValidationFailed)
    return `the token's claim "${error.claim}" is missing or not what this broker expects`;
  if (error instanceof errors.JOSEAlgNotAllowed)
    return 'the token is signed with an algorithm that is not allowed';
  if (error instanceof errors.JWSSignatureVerificationFailed)
    return "the token's signature does not fit this broker's key";
  return 'the token is not a valid JWT';
}

function unauthorized(message: string): FairleadError {
  return new FairleadError('ERR_UNAUTHORIZED', message);
}
