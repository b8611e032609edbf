// Whose tokens and certificates are taken, as a configuration says it: JSON in a file. Checks all of it; reads no
// file and fetches nothing.

import * as z from 'zod';
import { FairleadError } from '../protocol/errors.ts';
import { type CertificateConfig, certificatesSchema } from './certificate-rules.ts';
import { algorithmNames } from './identity-keys.ts';
import { rulesSchema } from './identity-mapping.ts';

const path = z.string().min(1).max(4096);

const issuerSchema = z
  .strictObject({
    /** Where its keys are: one of the four. */
    secretFile: path.optional(),
    keyFile: path.optional(),
    jwksFile: path.optional(),
    jwksUrl: z.string().min(1).max(2048).optional(),
    /** What to reach `jwksUrl` with: PEM of the certificates to trust, a bearer token. Default: the system's, none. */
    jwksCaFile: path.optional(),
    jwksTokenFile: path.optional(),
    /** Algorithms of its keys that are taken; others are left out. Default: whatever the keys are for. */
    algorithms: z.array(z.enum(algorithmNames)).min(1).optional(),
    /** Claims `iss` and `aud` that a token must have. Default: any. */
    issuer: z.string().min(1).max(512).optional(),
    audience: z.string().min(1).max(512).optional(),
    /** How far clocks may be apart. Default 5. */
    leewaySeconds: z.number().min(0).max(300).optional(),
    /** Stands before `sub` in the principal, so that this issuer cannot name another's. Default none. */
    prefix: z.string().max(128).optional(),
    /** What its tokens grant, the first rule that fits. Default: what their claim `fairlead` says. */
    grants: rulesSchema.optional(),
  })
  .superRefine((issuer, context) => {
    const places = ['secretFile', 'keyFile', 'jwksFile', 'jwksUrl'] as const;
    const given = places.filter((place) => issuer[place] !== undefined);
    if (given.length !== 1)
      context.addIssue(`an issuer's keys are in one place: give one of ${places.join(', ')}`);
    if (issuer.jwksUrl === undefined && (issuer.jwksCaFile ?? issuer.jwksTokenFile) !== undefined)
      context.addIssue('jwksCaFile and jwksTokenFile go with jwksUrl');
    // A token that is good elsewhere, too, could be taken to us by whoever it is shown to there, and the other way.
    if (issuer.grants !== undefined && (issuer.issuer === undefined || issuer.audience === undefined))
      context.addIssue('tokens that are mapped by grants are told apart by issuer and audience: give both');
    const signsAlone = issuer.algorithms?.every((name) => name === 'HS256') ?? true;
    if (issuer.secretFile !== undefined ? !signsAlone : (issuer.algorithms?.includes('HS256') ?? false))
      context.addIssue('HS256 goes with secretFile, and nothing else does');
  });

const configSchema = z
  .strictObject({
    issuers: z.array(issuerSchema).min(1).max(32).optional(),
    /** What client certificates grant. Default: nothing. */
    certificates: certificatesSchema.optional(),
  })
  .refine(({ issuers, certificates }) => issuers !== undefined || certificates !== undefined, {
    error: 'this names neither "issuers" nor "certificates"',
  });

export type IssuerConfig = z.infer<typeof issuerSchema>;

export interface AuthConfig {
  readonly issuers: readonly IssuerConfig[];
  readonly certificates: CertificateConfig | undefined;
}

/** @throws FairleadError ERR_CONFIG that names the field; never quotes what it holds */
export function parseAuthConfig(text: string): AuthConfig {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FairleadError('ERR_CONFIG', 'this is not JSON');
  }
  const parsed = configSchema.safeParse(value);
  if (parsed.success) {
    const { issuers = [], certificates } = parsed.data;
    return { issuers, certificates };
  }
  const issue = parsed.error.issues[0];
  throw new FairleadError('ERR_CONFIG', `${issue?.path.join('.') || 'the file'}: ${issue?.message}`);
}
