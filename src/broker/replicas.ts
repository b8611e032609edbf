// Other replicas of this broker, as the relay sees them. The replica that has an agent pairs its dialers, wherever
// their links end; the others carry.

import type { AgentLink, DialLink } from './link.ts';

export interface Replicas {
  /** An agent's link is open here. */
  agentCame(link: AgentLink): void;
  agentLeft(link: AgentLink): void;
  /** It takes no new sessions. */
  agentDrains(link: AgentLink): void;
  /**
   * No agent here serves this link. Looks for one at the others, and either carries the link's messages from now
   * on (`Relay.carried`) or says that there is none (`Relay.stranded`). May be called again for the same link.
   */
  seek(link: DialLink): void;
  /** Passes a message of a carried link on. */
  carry(link: DialLink, message: Uint8Array): void;
  /** The link has left, or has found an agent here. */
  letGo(link: DialLink): void;
}
