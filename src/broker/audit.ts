// What a broker writes into the audit log: links that it let in or not, and how they ended. It knows no targets and
// no payload, and writes neither tokens nor what peers put into queries beside the node.

import type { AuditEntry, AuditLog } from '../files/audit-log.ts';
import { bounded } from './broker-log.ts';
import type { BrokerLink, LinkTag } from './link.ts';
import type { Refusal } from './refusal.ts';

/** What an engine may know of a link's bytes. */
interface Counted {
  readonly bytesRead: number;
  readonly bytesWritten: number;
}

export class BrokerAudit {
  readonly #log: AuditLog | undefined;

  constructor(log: AuditLog | undefined) {
    this.#log = log;
  }

  opened(link: BrokerLink): void {
    this.#log?.record({ event: 'link-opened', verdict: 'granted', ...factsOf(link.tag) });
  }

  refused(refusal: Refusal, path: string): void {
    const { principal, why, code, message } = refusal;
    const error = bounded(message, 256);
    this.#log?.record({
      event: 'link-refused',
      verdict: 'refused',
      principal,
      path: bounded(path),
      why,
      code,
      error,
    });
  }

  closed(link: BrokerLink & Counted, closeCode: number, reason: string): void {
    const { tag, bytesRead, bytesWritten } = link;
    this.#log?.record({
      event: 'link-closed',
      ...factsOf(tag),
      closeCode,
      reason: bounded(reason),
      bytesFromPeer: bytesRead,
      bytesToPeer: bytesWritten,
      durationMs: Date.now() - tag.since,
    });
  }
}

function factsOf(tag: LinkTag): Omit<AuditEntry, 'event'> {
  const { principal, kind, node, id, tokenId, serial } = tag;
  const session = tag.kind === 'dial' ? tag.session : undefined;
  return { principal, kind, node, link: id, session, instance: tag.instance, tokenId, serial };
}
