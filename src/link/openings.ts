// How many links are opened at once. A gateway may come back to thousands of nodes in one moment; if it asked for all of
// them at once, each handshake would take longer than it may, and all would be asked for again.

import { type BulkheadPolicy, bulkhead } from 'cockatiel';
import type { BrokerAccess } from './broker-access.ts';

/** To one broker; more wait for their turn. */
const mostAtOnce = 64;

const openings = new WeakMap<BrokerAccess, BulkheadPolicy>();

/** Whoever opens a link runs that in here until it is open or will not be. Each dial that waits has a limit of its own. */
export function openingsOf(access: BrokerAccess): BulkheadPolicy {
  let policy = openings.get(access);
  if (policy === undefined) {
    policy = bulkhead(mostAtOnce, Number.POSITIVE_INFINITY);
    openings.set(access, policy);
  }
  return policy;
}
