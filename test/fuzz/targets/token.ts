// Tokens: whatever is shown, a broker answers with an identity that the claims say, or refuses. The first byte says
// what the rest is: a whole token, or the claims or the header of one that is signed with the broker's own secret.

import { createHmac } from 'node:crypto';
import { parseAuthConfig } from '../../../src/broker/identity-config.ts';
import { fixedKeys, secretKey } from '../../../src/broker/identity-keys.ts';
import { grantByRules } from '../../../src/broker/identity-mapping.ts';
import { verifierOf } from '../../../src/broker/identity-verifier.ts';
import { promise, refusingLater } from '../target.ts';

const secret = 'a secret of the fuzzer, long enough for HS256';
const keys = fixedKeys([secretKey(secret)]);
const rules = parseAuthConfig(
  JSON.stringify({
    issuers: [
      {
        secretFile: 'unused',
        issuer: 'mapped',
        audience: 'fairlead',
        grants: [
          { sub: 'system:serviceaccount:fairlead:agent', agent: '{node}', routes: ['default'] },
          { sub: 'ci:*', dial: ['edge-*'], targets: ['*:22'] },
        ],
      },
    ],
  }),
).issuers?.[0]?.grants;
const verify = verifierOf([
  { keys },
  { keys, issuer: 'mapped', audience: 'fairlead', prefix: 'mapped:', grantOf: grantByRules(rules ?? []) },
]);

const good = { sub: 'ci:one', exp: 4_000_000_000, fairlead: { dial: ['edge-*'] } };
const part = (text: string | Buffer) => Buffer.from(text as string).toString('base64url');

function signed(header: string | Buffer, claims: string | Buffer): string {
  const text = `${part(header)}.${part(claims)}`;
  return `${text}.${createHmac('sha256', secret).update(text).digest('base64url')}`;
}

export async function fuzz(data: Buffer): Promise<void> {
  const kind = (data[0] ?? 0) % 3;
  const rest = data.subarray(1);
  const token =
    kind === 0
      ? rest.toString('latin1')
      : kind === 1
        ? signed('{"alg":"HS256"}', rest)
        : signed(rest, JSON.stringify(good));
  const identity = await refusingLater(() => verify(token), 'ERR_UNAUTHORIZED');
  if (identity === undefined) return;
  promise(kind !== 0 || token.split('.').length === 3, 'a token has three parts');
  const { principal, expiresAt } = identity;
  promise(principal.length >= 1 && principal.length <= 512, 'a principal has a length');
  promise(Number.isFinite(expiresAt) && expiresAt > Date.now() - 10_000, 'what has ended is refused');
  if (identity.kind === 'agent')
    promise(/^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$/.test(identity.node), 'a node has a name');
  else promise(identity.nodes.length >= 1 && identity.nodes.length <= 256, 'a dialer has nodes');
}
