// Keys and tokens as other issuers make them, for tests of what a broker takes.

import { exportJWK, exportPKCS8, exportSPKI, generateKeyPair, type JWK, SignJWT } from 'jose';
import { type Algorithm, type PinnedKey, publicKeys } from '../../src/broker/identity-keys.ts';

export interface Signer {
  readonly algorithm: Exclude<Algorithm, 'HS256'>;
  readonly privateKey: CryptoKey;
  readonly publicJwk: JWK;
  readonly publicPem: string;
  readonly privatePem: string;
}

export async function makeSigner(algorithm: Signer['algorithm'], kid?: string): Promise<Signer> {
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true });
  const publicJwk = { ...(await exportJWK(publicKey)), ...(kid === undefined ? {} : { kid }) };
  const privatePem = await exportPKCS8(privateKey);
  return { algorithm, privateKey, publicJwk, publicPem: await exportSPKI(publicKey), privatePem };
}

export function jwkSet(...signers: readonly Signer[]): string {
  return JSON.stringify({ keys: signers.map(({ publicJwk }) => publicJwk) });
}

export function pinnedKeys(...signers: readonly Signer[]): Promise<readonly PinnedKey[]> {
  return publicKeys(jwkSet(...signers));
}

export interface TokenChoice {
  /** Laid over `sub`, `exp` in a minute, and an agent's grant. */
  readonly claims?: Record<string, unknown>;
  readonly kid?: string;
  /** What the header says. Default: the signer's. */
  readonly alg?: string;
}

export function sign(signer: Signer, choice: TokenChoice = {}): Promise<string> {
  const { claims = {}, kid, alg = signer.algorithm } = choice;
  const standard = { sub: 'someone', exp: seconds(60), fairlead: { agent: 'edge-1' } };
  return new SignJWT({ ...standard, ...claims })
    .setProtectedHeader({ alg, ...(kid === undefined ? {} : { kid }) })
    .sign(signer.privateKey);
}

/** Seconds since the epoch, so many from now. */
export function seconds(fromNow: number): number {
  return Math.floor(Date.now() / 1000) + fromNow;
}
