// How a link is called in log lines. What peers choose goes in bounded.

import { bounded } from './broker-log.ts';
import type { BrokerLink } from './link.ts';

export function describeLink(link: BrokerLink): object {
  const { tag } = link;
  const principal = bounded(tag.principal);
  const common = { link: tag.id, kind: tag.kind, node: tag.node, instance: tag.instance, principal };
  return tag.kind === 'agent' ? common : { ...common, session: tag.session, request: tag.request };
}
