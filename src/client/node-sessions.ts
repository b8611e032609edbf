// The sessions of one client, one per node, opened by the first use and shared by all. Knows nothing of what they carry.

import type { LinkMaker } from '../link/broker-link.ts';
import { FairleadError } from '../protocol/errors.ts';
import type { ClientMeter } from './meter.ts';
import { NodeSession, returnGraceMs } from './node-session.ts';
import type { RoundTrip } from './round-trips.ts';

/** How many sessions in a row may end under a ping. */
const pingAttempts = 2;

export interface NodeSessionsOptions {
  readonly links: LinkMaker;
  readonly resumeWindowMs: number;
  readonly idleLinkMs: number;
  readonly meter: ClientMeter;
}

export class NodeSessions {
  readonly #options: NodeSessionsOptions;
  /** Who takes a node's next dial. */
  readonly #current = new Map<string, NodeSession>();
  /** Those, and the ones that only finish what they have. */
  readonly #all = new Set<NodeSession>();
  #isClosed = false;

  constructor(options: NodeSessionsOptions) {
    this.#options = options;
  }

  /** The one that takes the node's next dial. */
  to(node: string): NodeSession {
    const current = this.#current.get(node);
    if (current?.takesDials === true) return current;
    const { links, resumeWindowMs, idleLinkMs, meter } = this.#options;
    // One whose agent is away or draining keeps its streams; what is new goes to an agent that is there.
    const session = new NodeSession({
      node,
      links,
      resumeWindowMs,
      idleLinkMs,
      meter,
      // An agent that was here a moment ago is probably on its way back, as when the broker restarts.
      graceMs: current?.isAway === true ? returnGraceMs : 0,
      ended: () => {
        this.#all.delete(session);
        if (this.#current.get(node) === session) this.#current.delete(node);
      },
    });
    this.#all.add(session);
    this.#current.set(node, session);
    return session;
  }

  /** As the session's own, which an agent may end just then. */
  async ping(node: string, timeoutMs: number, signal?: AbortSignal): Promise<RoundTrip> {
    for (let attempt = 1; ; attempt += 1) {
      try {
        return await this.to(node).ping(timeoutMs, signal);
      } catch (error) {
        // An agent that goes ends its sessions first: a new one finds out whether it, or another, is there.
        const isEnded = error instanceof FairleadError && error.code === 'ERR_SESSION_LOST';
        if (isEnded && this.#isClosed) throw new FairleadError('ERR_CLOSED', 'this broker client was closed');
        if (!isEnded || attempt === pingAttempts) throw error;
      }
    }
  }

  /** Breaks what is open and closes every link. */
  close(): void {
    this.#isClosed = true;
    for (const session of [...this.#all]) session.close('ERR_ABORTED', 'the broker client was closed');
  }
}
