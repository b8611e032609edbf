import { EdgeBroker } from '../rig/edge.ts';
import { conformance } from './suite.ts';

conformance({
  name: 'edge',
  async start(rig) {
    const broker = await EdgeBroker.start(rig);
    return {
      agentUrl: broker.url,
      dialUrl: broker.url,
      kill: (node) => broker.abort(node),
    };
  },
});
