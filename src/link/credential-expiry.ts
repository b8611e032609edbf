// When what says who calls ends: for those who watch over it, not for those who use it.

import type { BrokerAccess } from './broker-access.ts';
import { credentialsOf } from './broker-access.ts';
import { certificateEndsAt } from './certificate-renewal.ts';
import { tokenEndsAt } from './token-renewal.ts';

/**
 * Milliseconds since the epoch at which the token ends that would be shown to the broker now, or where there is none, the
 * certificate; undefined where it has no end, or cannot be read.
 */
export async function credentialEndsAt(access: BrokerAccess): Promise<number | undefined> {
  try {
    const { token, certificate } = await credentialsOf(access);
    return token === undefined ? certificateEndsAt(certificate?.cert) : tokenEndsAt(token);
  } catch {
    return undefined;
  }
}
