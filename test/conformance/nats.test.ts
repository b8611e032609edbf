import { NatsServer } from '../rig/nats.ts';
import type { Program, Rig } from '../rig/rig.ts';
import { conformance } from './suite.ts';

/** One broker of several, with a NATS server of its own. */
class Replica {
  port = 0;
  private program: Program | undefined;
  private readonly rig: Rig;
  private readonly server: NatsServer;

  constructor(rig: Rig, server: NatsServer) {
    this.rig = rig;
    this.server = server;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  async start(): Promise<void> {
    const listen = `127.0.0.1:${this.port}`;
    const secret = this.rig.path('secret');
    this.program = this.rig.fairlead(
      'broker',
      '--listen',
      listen,
      '--auth-secret-file',
      secret,
      '--nats',
      this.server.url,
    );
    [this.port = 0] = await this.program.ports();
    await this.program.said(/"event":"nats-up"/);
  }

  async kill(): Promise<void> {
    await this.program?.kill('SIGKILL');
  }
}

// The agent and the dialer are on different replicas, which are on different servers of one cluster.
conformance({
  name: 'nats',
  async start(rig) {
    const servers = await NatsServer.cluster(rig, 2);
    const replicas = servers.map((server) => new Replica(rig, server));
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
