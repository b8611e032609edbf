import { NatsServer } from '../rig/nats.ts';
import { Replica } from '../rig/replica.ts';
import { conformance } from './suite.ts';

// The agent and the dialer are on different replicas, which are on different servers of one cluster.
conformance({
  name: 'nats',
  async start(rig) {
    const servers = await NatsServer.cluster(rig, 2);
    const replicas = servers.map(({ url }) => new Replica(rig, url));
    for (const replica of replicas) await replica.start();
    const [first, second] = replicas as [Replica, Replica];
    let kills = 0;
    return {
      agentUrl: first.url,
      dialUrl: second.url,
      async kill() {
        const replica = kills % 2 === 0 ? first : second;
        kills += 1;
        await replica.kill();
        await replica.start();
        return 1;
      },
    };
  },
});
