// One process of the soak, and those that take its place: they are the same to whoever reaches them by port and name.

import type { Program } from '../rig/rig.ts';

/** How long one that was told to end may take. */
const endLimitMs = 8000;

export class Member {
  readonly name: string;
  /** Counts those that have taken another's place. */
  generation = 0;
  isAway = false;
  private readonly launch: () => Program;
  private current: Program | undefined;

  constructor(name: string, launch: () => Program) {
    this.name = name;
    this.launch = launch;
  }

  get program(): Program {
    if (this.current === undefined) throw new Error(`${this.name} was not started`);
    return this.current;
  }

  async start(): Promise<void> {
    this.current = this.launch();
    await this.current.ports();
  }

  /** Ends it, and starts another `awayMs` later. */
  async replace(signal: 'SIGKILL' | 'SIGTERM', awayMs: number): Promise<void> {
    const { program } = this;
    this.isAway = true;
    const limit = setTimeout(() => program.child.kill('SIGKILL'), endLimitMs);
    await program.kill(signal);
    clearTimeout(limit);
    await new Promise((resolve) => setTimeout(resolve, awayMs));
    await this.start();
    this.generation += 1;
    this.isAway = false;
  }

  async stopFor(ms: number): Promise<void> {
    const { child } = this.program;
    child.kill('SIGSTOP');
    await new Promise((resolve) => setTimeout(resolve, ms));
    child.kill('SIGCONT');
  }
}
