// Why a WebSocket did not open, which a browser does not tell: the broker is asked again in a way that it may answer.

import * as z from 'zod/mini';
import { nodesPath } from '../client/broker-answers.ts';
import type { BrokerAccess } from '../link/broker-access.ts';
import { withinDeadline } from '../link/deadline.ts';
import { FairleadError } from '../protocol/errors.ts';
import { askBroker } from './ask-broker.ts';

const patienceMs = 5000;

/** What a dialer of this node, with this token, is refused for. */
export async function whyNoLink(access: BrokerAccess, node: string, token: string): Promise<FairleadError> {
  const never = new AbortController().signal;
  try {
    // The token that was refused, not one that is newer by now.
    await withinDeadline(patienceMs, never, (limit) =>
      askBroker({ ...access, token }, `${nodesPath}/${node}`, {}, z.unknown(), limit),
    );
  } catch (error) {
    // That no agent is there is no reason not to open the link, which says so itself.
    if (error instanceof FairleadError && error.code !== 'ERR_NODE_UNREACHABLE') return error;
  }
  return new FairleadError(
    'ERR_BROKER_UNREACHABLE',
    'the broker answers, but took no WebSocket: a proxy may be in the way',
  );
}
