// A newer token on a link that is open: believed only where it says the very same of its bearer, and lasts longer
// or shorter. Whoever is to get other grants comes back on another link.

import { parsePayload, reauthSchema } from '../protocol/control.ts';
import { grantsNode } from './grants.ts';
import type { Identity, VerifyToken } from './identity.ts';
import { unauthorized } from './identity.ts';
import { grantsRoute } from './identity-routes.ts';
import type { LinkTag } from './link.ts';

/**
 * What the link's tag is to say from now on.
 *
 * @throws FairleadError ERR_PROTOCOL for a malformed payload, ERR_UNAUTHORIZED for a token that will not do, and
 *   ERR_BROKER_UNREACHABLE where that cannot be told at present
 */
export async function renewalOf(
  tag: LinkTag,
  payload: Uint8Array,
  verify: VerifyToken,
): Promise<Pick<LinkTag, 'expiresAt' | 'tokenId' | 'serial'>> {
  const identity = await verify(parsePayload(reauthSchema, payload).token);
  if (identity.principal !== tag.principal || identity.kind !== tag.kind)
    throw unauthorized('the newer token is for another principal');
  if (!hasSameGrants(tag, identity)) throw unauthorized('the newer token has other grants');
  return { expiresAt: identity.expiresAt, tokenId: identity.tokenId, serial: identity.serial };
}

function hasSameGrants(tag: LinkTag, identity: Identity): boolean {
  if (tag.kind === 'agent')
    return (
      identity.kind === 'agent' &&
      identity.node === tag.node &&
      tag.routes.every((route) => grantsRoute(identity.routes, route))
    );
  return (
    identity.kind === 'dial' &&
    grantsNode(identity.nodes, tag.node) &&
    isSameList(identity.targets, tag.targets)
  );
}

function isSameList(a: readonly string[] | undefined, b: readonly string[] | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return a.length === b.length && a.every((text, i) => text === b[i]);
}
