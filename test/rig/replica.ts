// One broker of several that meet over NATS.

import type { Program, Rig } from './rig.ts';

export class Replica {
  port = 0;
  private current: Program | undefined;
  private readonly rig: Rig;
  private readonly nats: string;
  private readonly more: readonly string[];

  /** `more`: further flags. */
  constructor(rig: Rig, nats: string, more: readonly string[] = []) {
    this.rig = rig;
    this.nats = nats;
    this.more = more;
  }

  get url(): string {
    return `ws://127.0.0.1:${this.port}`;
  }

  get program(): Program {
    if (this.current === undefined) throw new Error('the replica was never started');
    return this.current;
  }

  /** On the port that it had before. */
  async start(): Promise<void> {
    const listen = ['--listen', `127.0.0.1:${this.port}`];
    const secret = ['--auth-secret-file', this.rig.path('secret')];
    this.current = this.rig.fairlead('broker', ...listen, ...secret, '--nats', this.nats, ...this.more);
    [this.port = 0] = await this.current.ports();
    await this.current.said(/"event":"nats-up"/);
  }

  async kill(): Promise<void> {
    await this.program.kill('SIGKILL');
  }
}
