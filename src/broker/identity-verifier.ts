// Checks tokens against the issuers that a broker takes. The key says which algorithm, never the token; what fails
// is said without showing the token.

import { decodeJwt, decodeProtectedHeader, errors, jwtVerify } from 'jose';
import { FairleadError } from '../protocol/errors.ts';
import { type Identity, identityOf, unauthorized, type VerifyToken } from './identity.ts';
import {
  fixedKeys,
  headerNames,
  type KeySource,
  type PinnedKey,
  secretKey,
  verifyingKey,
} from './identity-keys.ts';

/** Whose tokens are taken, and how far they are believed. */
export interface Issuer {
  readonly keys: KeySource;
  /** Claims `iss` and `aud` that a token must have; undefined: any. */
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
  /** How far clocks may be apart, in seconds. Default 5. */
  readonly leewaySeconds?: number | undefined;
  /** Stands before `sub` in the principal. Default none. */
  readonly prefix?: string | undefined;
  /** What a token grants, by its claims, instead of what its claim `fairlead` says. @throws FairleadError */
  readonly grantOf?: ((claims: Readonly<Record<string, unknown>>) => unknown) | undefined;
}

export interface VerifierOptions {
  /** As the secret file has it: one trailing newline is not part of it. */
  readonly secret: string | Uint8Array;
  readonly issuer?: string | undefined;
  readonly audience?: string | undefined;
}

const defaultLeewaySeconds = 5;

const maxTokenCharacters = 8192;

/** One issuer with a shared secret. @throws FairleadError ERR_CONFIG where the secret is too short. */
export function tokenVerifier({ secret, issuer, audience }: VerifierOptions): VerifyToken {
  return verifierOf([{ keys: fixedKeys([secretKey(secret)]), issuer, audience }]);
}

/** Reasons to refuse, the less telling first: of several issuers' the last of these is the one that is told. */
const reasons = ['issuer', 'algorithm', 'kid', 'signature', 'keys-away', 'claims'] as const;
type Reason = (typeof reasons)[number];

interface Refused {
  readonly reason: Reason;
  readonly error: FairleadError;
}

interface Header {
  readonly alg: string;
  readonly kid: string | undefined;
}

/** @param isRevoked has the last word about an identity whose token is good. */
export function verifierOf(
  issuers: readonly Issuer[],
  isRevoked: (identity: Identity) => boolean = () => false,
): VerifyToken {
  return async (token) => {
    const { header, claimedIssuer } = peek(token);
    let refused: Refused = {
      reason: 'issuer',
      error: unauthorized('the token\'s claim "iss" is missing or not what this broker expects'),
    };
    for (const issuer of issuers) {
      if (issuer.issuer !== undefined && issuer.issuer !== claimedIssuer) continue;
      const outcome = await verifyFor(issuer, token, header);
      if ('kind' in outcome) {
        if (isRevoked(outcome)) throw unauthorized('the token was revoked');
        return outcome;
      }
      if (reasons.indexOf(outcome.reason) > reasons.indexOf(refused.reason)) refused = outcome;
    }
    throw refused.error;
  };
}

/** What picks the keys to try. Nothing of it is believed. */
function peek(token: string): { header: Header; claimedIssuer: string | undefined } {
  if (token.length > maxTokenCharacters) throw unauthorized('the token is too long');
  try {
    const { alg, kid } = decodeProtectedHeader(token);
    const { iss } = decodeJwt(token);
    if (typeof alg === 'string' && (kid === undefined || typeof kid === 'string'))
      return { header: { alg, kid }, claimedIssuer: iss };
  } catch {
    // Said below, without what was read.
  }
  throw unauthorized('the token is not a valid JWT');
}

async function verifyFor(issuer: Issuer, token: string, header: Header): Promise<Identity | Refused> {
  let keys: readonly PinnedKey[];
  try {
    keys = await issuer.keys.find(header.kid);
  } catch (error) {
    return { reason: 'keys-away', error: error as FairleadError };
  }
  keys = keys.filter((key) => headerNames[key.algorithm].includes(header.alg));
  if (keys.length === 0)
    return refuse('algorithm', 'the token is signed with an algorithm that is not allowed');
  // A key without a name may be the one that the token means; one with another name is not.
  if (header.kid !== undefined) keys = keys.filter(({ kid }) => kid === undefined || kid === header.kid);
  if (keys.length === 0) return refuse('kid', "none of this broker's keys is the one that the token names");
  for (const key of keys) {
    try {
      const { payload } = await jwtVerify(token, await verifyingKey(key), {
        // RFC 8725 §3.1: the algorithm is ours to choose, never the token's.
        algorithms: [...headerNames[key.algorithm]],
        requiredClaims: ['sub', 'exp'],
        clockTolerance: issuer.leewaySeconds ?? defaultLeewaySeconds,
        ...(issuer.issuer === undefined ? {} : { issuer: issuer.issuer }),
        ...(issuer.audience === undefined ? {} : { audience: issuer.audience }),
      });
      const grant = issuer.grantOf === undefined ? payload.fairlead : issuer.grantOf(payload);
      return identityOf(payload, issuer.prefix ?? '', grant);
    } catch (error) {
      if (error instanceof errors.JWSSignatureVerificationFailed) continue;
      return refuse('claims', describeFailure(error));
    }
  }
  return refuse('signature', "the token's signature does not fit this broker's key");
}

function refuse(reason: Reason, message: string): Refused {
  return { reason, error: unauthorized(message) };
}

function describeFailure(error: unknown): string {
  if (error instanceof errors.JWTExpired) return 'the token has expired';
  if (error instanceof errors.JWTClaimValidationFailed)
    return `the token's claim "${error.claim}" is missing or not what this broker expects`;
  if (error instanceof FairleadError && error.code === 'ERR_UNAUTHORIZED') return error.message;
  return 'the token is not a valid JWT';
}
