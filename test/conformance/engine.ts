// What the conformance suite needs of an engine: three functions.

import type { Rig } from '../rig/rig.ts';

export interface Engine {
  readonly name: string;
  /** Starts brokers of this engine, with the secret in `rig.path('secret')`. The rig takes them down. */
  start(rig: Rig): Promise<Brokers>;
}

export interface Brokers {
  /** Where agents and dialers connect; on an engine of several replicas, to different ones. */
  readonly agentUrl: string;
  readonly dialUrl: string;
  /**
   * Takes by force what pairs the node's links, so that it remembers nothing, and brings it back. Answers how many
   * processes or objects really ended.
   */
  kill(node: string): Promise<number>;
}
