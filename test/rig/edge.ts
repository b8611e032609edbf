// The Worker on the real edge runtime, and what tests may do to its objects.

import { fileURLToPath } from 'node:url';
import type { Report } from '../../src/broker/edge/internal.ts';
import type { Program, Rig } from './rig.ts';

const main = fileURLToPath(new URL('../../dist/scripts/edge/main.js', import.meta.url));

export class EdgeBroker {
  readonly url: string;
  /** Process id of the runtime. */
  readonly pid: number;
  readonly program: Program;
  private readonly origin: string;

  private constructor(program: Program, port: number, pid: number) {
    this.program = program;
    this.pid = pid;
    this.origin = `http://127.0.0.1:${port}`;
    this.url = `ws://127.0.0.1:${port}`;
  }

  /** With the secret in the rig's file `secret`; `variables` as in wrangler.toml. */
  static async start(rig: Rig, variables: Record<string, string> = {}, port = 0): Promise<EdgeBroker> {
    const program = rig.start(process.execPath, [
      main,
      '--port',
      String(port),
      '--auth-secret-file',
      rig.path('secret'),
      '--entry',
      'test/rig/edge-worker.ts',
      ...Object.entries(variables).flatMap(([name, value]) => ['--var', `${name}=${value}`]),
    ]);
    // Asked to end, it takes the runtime with it.
    rig.defer(() => program.kill('SIGTERM'));
    const [line] = await program.said(/^\{.*"msg":"ready".*\}$/m);
    const { listen, pid } = JSON.parse(line) as { listen: string[]; pid: number };
    return new EdgeBroker(program, Number(listen[0]?.split(':')[1]), pid);
  }

  /** Ends the node's object at once: its memory and its sockets are gone. Answers 1 once a new one is there. */
  async abort(node: string): Promise<number> {
    const before = await this.life(node);
    await fetch(`${this.origin}/test/abort?node=${node}`).catch(() => {});
    return (await this.life(node)) === before ? 0 : 1;
  }

  /** Tells the directory of a node what may not be so. `summary` null: no agent of it is connected. */
  async tellDirectory(report: Report): Promise<void> {
    const body = JSON.stringify(report);
    const response = await fetch(`${this.origin}/test/report`, { method: 'PUT', body });
    if (!response.ok) throw new Error(`the directory answered ${response.status}`);
  }

  /** A number that is another one in each life of the node's object, from its constructor to its end. */
  async life(node: string): Promise<number> {
    const response = await fetch(`${this.origin}/test/life?node=${node}`);
    return Number(await response.text());
  }
}
