// Real nats-servers on free loopback ports.

import { freePort } from './free-port.ts';
import type { Program, Rig } from './rig.ts';

export class NatsServer {
  readonly port: number;
  readonly url: string;
  program: Program;
  private readonly rig: Rig;
  private readonly file: string;

  private constructor(rig: Rig, port: number, file: string, program: Program) {
    this.rig = rig;
    this.port = port;
    this.file = file;
    this.program = program;
    this.url = `nats://127.0.0.1:${port}`;
  }

  /** `settings` go into its configuration file as they are. */
  static async start(rig: Rig, settings = ''): Promise<NatsServer> {
    const port = await freePort();
    const file = rig.write(`nats-${port}.conf`, `listen: 127.0.0.1:${port}\n${settings}\n`);
    const program = rig.start('nats-server', ['--config', file]);
    await program.said(/Server is ready/);
    return new NatsServer(rig, port, file, program);
  }

  /** Servers that know each other. */
  static async cluster(rig: Rig, count: number): Promise<NatsServer[]> {
    const ports = await Promise.all(Array.from({ length: count }, () => freePort()));
    const routes = ports.map((port) => `nats://127.0.0.1:${port}`).join(', ');
    const servers = await Promise.all(
      ports.map((port, i) =>
        NatsServer.start(
          rig,
          `server_name: s${i}\ncluster { name: test, listen: "127.0.0.1:${port}", routes: [${routes}] }`,
        ),
      ),
    );
    for (const { program } of servers) await program.said(/Route connection created/);
    return servers;
  }

  async restart(): Promise<void> {
    this.program = this.rig.start('nats-server', ['--config', this.file]);
    await this.program.said(/Server is ready/);
  }
}
