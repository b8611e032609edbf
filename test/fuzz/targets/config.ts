// What a broker reads from files: issuers, deny lists, secrets, keys. Taken whole or refused with ERR_CONFIG, in a
// message that does not quote what was read.

import { parseAuthConfig } from '../../../src/broker/identity-config.ts';
import { parseDenyList } from '../../../src/broker/identity-deny.ts';
import { publicKeys } from '../../../src/broker/identity-keys.ts';
import { parseSecret } from '../../../src/broker/secret.ts';
import { privateKey } from '../../../src/broker/signing-key.ts';
import { promise, refusing, refusingLater } from '../target.ts';

export async function fuzz(data: Buffer): Promise<void> {
  const text = data.toString('utf8');
  const issuers = refusing(() => parseAuthConfig(text), 'ERR_CONFIG');
  for (const issuer of issuers?.issuers ?? []) {
    const places = [issuer.secretFile, issuer.keyFile, issuer.jwksFile, issuer.jwksUrl];
    promise(places.filter((place) => place !== undefined).length === 1, 'keys are in one place');
  }
  const deny = refusing(() => parseDenyList(text), 'ERR_CONFIG');
  if (deny !== undefined)
    for (const names of [deny.jti, deny.sub, deny.node])
      for (const name of names) promise(name.length >= 1 && name.length <= 512, 'a name has a length');
  const secret = refusing(() => parseSecret(data), 'ERR_CONFIG');
  promise(secret === undefined || secret.length >= 32, 'a secret is long enough');
  const keys = await refusingLater(() => publicKeys(text), 'ERR_CONFIG');
  for (const { key } of keys ?? [])
    promise(!(key instanceof Uint8Array) && key.type === 'public', 'only public keys are taken');
  await refusingLater(() => privateKey(text), 'ERR_CONFIG');
}
