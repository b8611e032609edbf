// Private keys that tokens are signed with: read for `fairlead token`, made for `fairlead keys`. A broker needs
// none of them, and no message shows one.

import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, importPKCS8, type JWK } from 'jose';
import * as z from 'zod';
import { FairleadError } from '../protocol/errors.ts';
import { algorithmOf, type PinnedKey } from './identity-keys.ts';

export interface NewKeyPair {
  readonly kid: string;
  readonly privateJwk: JWK;
  readonly publicJwk: JWK;
}

/** An EdDSA pair, named by its thumbprint (RFC 7638). */
export async function makeKeyPair(): Promise<NewKeyPair> {
  const pair = await generateKeyPair('EdDSA', { extractable: true });
  const bare = await exportJWK(pair.publicKey);
  const kid = await calculateJwkThumbprint(bare);
  const named = { kid, alg: 'EdDSA', use: 'sig' };
  const privateJwk = { ...(await exportJWK(pair.privateKey)), ...named };
  return { kid, privateJwk, publicJwk: { ...bare, ...named } };
}

const privateJwkSchema = z.looseObject({
  kty: z.string(),
  d: z.string(),
  crv: z.string().optional(),
  kid: z.string().max(256).optional(),
});

/**
 * A private key from a JWK, as "fairlead keys" writes it, or from PKCS #8 in PEM.
 *
 * @throws FairleadError ERR_CONFIG that does not show what was read
 */
export async function privateKey(text: string): Promise<PinnedKey> {
  if (text.includes('-----BEGIN ')) return await pemKey(text.trim());
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw wrong();
  }
  const parsed = privateJwkSchema.safeParse(json);
  const algorithm = parsed.success ? algorithmOf(parsed.data.kty, parsed.data.crv) : undefined;
  if (!parsed.success || algorithm === undefined) throw wrong();
  try {
    return { algorithm, kid: parsed.data.kid, key: await importJWK(parsed.data as JWK, algorithm) };
  } catch {
    throw wrong();
  }
}

async function pemKey(pem: string): Promise<PinnedKey> {
  for (const algorithm of ['EdDSA', 'ES256', 'RS256'] as const) {
    try {
      return { algorithm, kid: undefined, key: await importPKCS8(pem, algorithm) };
    } catch {
      // Of another kind, perhaps.
    }
  }
  throw wrong();
}

function wrong(): FairleadError {
  return new FairleadError(
    'ERR_CONFIG',
    'this is no private key to sign with: "fairlead keys" makes one; PKCS #8 in PEM will do, for EdDSA, ES256 or RS256',
  );
}
