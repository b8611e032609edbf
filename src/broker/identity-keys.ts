// The keys that tokens are checked with. Each is pinned to one algorithm when it is read, so that no token chooses
// its own. Reads public keys only: a private one in the wrong place is refused, and never shown.

import { importJWK, importSPKI, importX509, type JWK } from 'jose';
import * as z from 'zod';
import { FairleadError } from '../protocol/errors.ts';
import { parseSecret } from './secret.ts';

export const algorithmNames = ['HS256', 'EdDSA', 'ES256', 'RS256'] as const;
export type Algorithm = (typeof algorithmNames)[number];

/** RFC 9864 §2.2 gave EdDSA with Ed25519 a name of its own; the key is the same. */
export const headerNames: Readonly<Record<Algorithm, readonly string[]>> = {
  HS256: ['HS256'],
  EdDSA: ['EdDSA', 'Ed25519'],
  ES256: ['ES256'],
  RS256: ['RS256'],
};

export interface PinnedKey {
  readonly algorithm: Algorithm;
  readonly kid: string | undefined;
  readonly key: CryptoKey | Uint8Array;
}

export interface KeySource {
  /**
   * The keys of the moment. `kid` is what the token names: a source that can look for newer keys does so where it
   * does not have it.
   *
   * @throws FairleadError ERR_BROKER_UNREACHABLE where there has been none to be had yet
   */
  find(kid: string | undefined): Promise<readonly PinnedKey[]>;
}

/** Most keys in one set: each may cost a signature check. */
const maxKeys = 64;
const minModulusBits = 2048;

const publicAlgorithms = ['EdDSA', 'ES256', 'RS256'] as const;

export function fixedKeys(keys: readonly PinnedKey[]): KeySource {
  return { find: async () => keys };
}

/** @throws FairleadError ERR_CONFIG where the secret is too short. */
export function secretKey(secret: string | Uint8Array): PinnedKey {
  return { algorithm: 'HS256', kid: undefined, key: parseSecret(secret) };
}

const imported = new WeakMap<Uint8Array, CryptoKey>();

/** As signatures are checked with it. A shared secret is imported once, and not for each token. */
export async function verifyingKey({ key }: PinnedKey): Promise<CryptoKey> {
  if (!(key instanceof Uint8Array)) return key;
  const known = imported.get(key);
  if (known !== undefined) return known;
  const hmac = { name: 'HMAC', hash: 'SHA-256' };
  const made = await crypto.subtle.importKey('raw', key as BufferSource, hmac, false, ['verify']);
  imported.set(key, made);
  return made;
}

const jwkSchema = z.looseObject({
  kty: z.string(),
  kid: z.string().max(256).optional(),
  alg: z.string().optional(),
  use: z.string().optional(),
  crv: z.string().optional(),
});

const jwkSetSchema = z.object({ keys: z.array(z.unknown()).max(maxKeys) });

/**
 * The public keys in a text: PEM (a public key or a certificate), one JWK, or a JWK set. Of a set, keys for other
 * uses or algorithms are left out.
 *
 * @throws FairleadError ERR_CONFIG where the text is none of them, holds a private key, or none that is allowed
 */
export async function publicKeys(
  text: string,
  algorithms: readonly Algorithm[] = algorithmNames,
): Promise<readonly PinnedKey[]> {
  if (text.includes('-----BEGIN ')) return [await pemKey(text, algorithms)];
  const json = parseJson(text);
  const set = jwkSetSchema.safeParse(json);
  if (set.success) return keysOfSet(set.data.keys, algorithms);
  if (typeof json === 'object' && json !== null && Object.hasOwn(json, 'keys'))
    throw config(`a JWK set is {"keys":[…]} with at most ${maxKeys} keys`);
  const key = await jwkKey(json, algorithms);
  if (key === undefined)
    throw config(`this key is not for one of ${algorithms.join(', ')}, or not for signatures`);
  return [key];
}

async function keysOfSet(jwks: readonly unknown[], algorithms: readonly Algorithm[]): Promise<PinnedKey[]> {
  for (const jwk of jwks) refuseSecret(jwk);
  const keys: PinnedKey[] = [];
  for (const jwk of jwks) {
    // RFC 7517 §5: what is not understood in a set is ignored.
    const key = await jwkKey(jwk, algorithms).catch(() => undefined);
    if (key !== undefined) keys.push(key);
  }
  if (keys.length === 0) throw config(`the JWK set has no public key for one of ${algorithms.join(', ')}`);
  return keys;
}

/** Undefined where the key is for something else than our signatures. */
async function jwkKey(value: unknown, algorithms: readonly Algorithm[]): Promise<PinnedKey | undefined> {
  const parsed = jwkSchema.safeParse(value);
  if (!parsed.success) throw config('this is neither PEM, nor a JWK, nor a JWK set');
  const { kty, kid, use, alg, crv } = parsed.data;
  refuseSecret(parsed.data);
  const algorithm = algorithmOf(kty, crv);
  if (algorithm === undefined || !algorithms.includes(algorithm)) return undefined;
  if (alg !== undefined && !headerNames[algorithm].includes(alg)) return undefined;
  if (use !== undefined && use !== 'sig') return undefined;
  let key: CryptoKey | Uint8Array;
  try {
    key = await importJWK(parsed.data as JWK, algorithm);
  } catch {
    throw config(`this key cannot be used with ${algorithm}`);
  }
  return pinned(algorithm, kid, key);
}

/** RFC 7518 §6.4.1: `k` is a shared secret; §6.2.2.1 and §6.3.2.1: `d` is the private part. */
function refuseSecret(jwk: unknown): void {
  if (typeof jwk !== 'object' || jwk === null) return;
  if ('k' in jwk) throw config('this holds a shared secret: it goes into --auth-secret-file, as it is');
  if ('d' in jwk) throw config('this holds a private key: give the broker its public part only');
}

export function algorithmOf(kty: string, crv: string | undefined): Algorithm | undefined {
  if (kty === 'OKP' && crv === 'Ed25519') return 'EdDSA';
  if (kty === 'EC' && crv === 'P-256') return 'ES256';
  return kty === 'RSA' ? 'RS256' : undefined;
}

async function pemKey(pem: string, algorithms: readonly Algorithm[]): Promise<PinnedKey> {
  if (/-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(pem))
    throw config('this holds a private key: give the broker its public part only');
  const read = pem.includes('-----BEGIN CERTIFICATE-----') ? importX509 : importSPKI;
  // PEM does not name the algorithm; a key fits one of ours at most.
  for (const algorithm of publicAlgorithms) {
    if (!algorithms.includes(algorithm)) continue;
    let key: CryptoKey;
    try {
      key = await read(pem.trim(), algorithm);
    } catch {
      continue;
    }
    return pinned(algorithm, undefined, key);
  }
  throw config(`this is no public key in PEM for one of ${algorithms.join(', ')}`);
}

function pinned(algorithm: Algorithm, kid: string | undefined, key: CryptoKey | Uint8Array): PinnedKey {
  if (!(key instanceof Uint8Array) && algorithm === 'RS256') {
    const { modulusLength = 0 } = key.algorithm as { modulusLength?: number };
    // RFC 7518 §3.3
    if (modulusLength < minModulusBits)
      throw config(`an RSA key of ${modulusLength} bits is too short: ${minModulusBits} at least`);
  }
  return { algorithm, kid, key };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The parser's own message would quote what it read.
    throw config('this is neither PEM, nor a JWK, nor a JWK set');
  }
}

function config(message: string): FairleadError {
  return new FairleadError('ERR_CONFIG', message);
}
