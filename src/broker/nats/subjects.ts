// The subjects that replicas meet on. What a peer chose goes into one as a single token: letters, digits and the
// few marks that node names and instances may have, the dot in another guise.

const token = (name: string): string => name.replaceAll('.', '/');

export class Subjects {
  /** Announcements of agents. */
  readonly up: string;
  /** Signs of life of replicas. */
  readonly presence: string;
  /** Requests for the nodes that a replica has. */
  readonly nodes: string;
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.up = `${prefix}.up`;
    this.presence = `${prefix}.replica`;
    this.nodes = `${prefix}.nodes`;
  }

  /** Messages for one agent's link. */
  agent(node: string, instance: string): string {
    return `${this.#prefix}.agent.${token(node)}.${token(instance)}`;
  }

  /** Messages for one dialer's link: of this link and not of the session, whose id a stranger may know. */
  session(session: string, link: string): string {
    return `${this.#prefix}.session.${session}.${link}`;
  }

  /** Who has an agent of the node that takes sessions. */
  find(node: string): string {
    return `${this.#prefix}.find.${token(node)}`;
  }

  /** Where a replica hears that a message of its own found nobody, or answers to what it asked. */
  own(replica: string, what: string): string {
    return `${this.#prefix}.own.${replica}.${what}`;
  }
}
