// Every fault, in the order in which `npm run faults` goes through them.

import { drainedBalancer, idleBalancer } from './balancer.ts';
import { rotatedInTime, rotatedTooLate } from './certificates.ts';
import type { Fault } from './fault.ts';
import {
  clockBackward,
  clockForward,
  fullDisk,
  noDescriptors,
  noDescriptorsAtAgent,
  noDescriptorsAtDialer,
  noNames,
} from './machine.ts';
import { blackouts, lossAndReordering, roaming, silentDeath, smallerPackets } from './paths.ts';
import {
  agentKilled,
  agentStopped,
  brokerKilled,
  brokerKilledAtRandom,
  brokerStopped,
  forwardKilled,
  forwardStopped,
  stoppedAtRandom,
} from './processes.ts';

export const faults: readonly Fault[] = [
  brokerKilled,
  brokerKilledAtRandom,
  agentKilled,
  forwardKilled,
  brokerStopped,
  agentStopped,
  forwardStopped,
  stoppedAtRandom,
  lossAndReordering,
  blackouts,
  silentDeath,
  roaming,
  smallerPackets,
  fullDisk,
  noDescriptors,
  noDescriptorsAtAgent,
  noDescriptorsAtDialer,
  clockForward,
  clockBackward,
  noNames,
  rotatedInTime,
  rotatedTooLate,
  idleBalancer,
  drainedBalancer,
];
