// What a process has: memory and descriptors as the system counts them; heap, handles and timers as its inspector
// tells. The inspector stays attached, so that looking is the same at every time.

import { readdirSync } from 'node:fs';
import { Inspector } from '../../bench/inspector.ts';
import { cpuSeconds, residentBytes, type Started } from '../../bench/processes.ts';
import type { Program } from '../rig/rig.ts';
import type { Figures } from './growth.ts';

const mebibyte = 2 ** 20;

interface Counted {
  readonly heapUsed: number;
  readonly external: number;
  readonly handles: number;
}

// `getActiveResourcesInfo` knows no timers but those that keep the process alive, so they are counted by themselves.
const counting = `(() => {
  const { heapUsed, external } = process.memoryUsage();
  const handles = process.getActiveResourcesInfo().filter((kind) => kind !== 'Timeout' && kind !== 'Immediate');
  return { heapUsed, external, handles: handles.length };
})()`;
const timerPrototype =
  '(() => { const one = setTimeout(() => {}); clearTimeout(one); return Object.getPrototypeOf(one); })()';
const timersRunning = 'function () { return this.filter((timer) => !timer._destroyed).length; }';
const objectGroup = 'soak';

export class Inside {
  private readonly process: Started;
  private readonly inspector: Inspector;

  private constructor(process: Started, inspector: Inspector) {
    this.process = process;
    this.inspector = inspector;
  }

  /** Of a program that was started with `--inspect`. */
  static async of(program: Program): Promise<Inside> {
    const [, inspector = ''] = await program.said(/Debugger listening on (ws:\S+)/);
    const process = { pid: program.child.pid ?? 0, port: 0, inspector };
    return new Inside(process, await Inspector.attach(process));
  }

  async figures(): Promise<Figures> {
    await this.inspector.ask('HeapProfiler.collectGarbage');
    const counted = await this.inspector.ask('Runtime.evaluate', {
      expression: counting,
      returnByValue: true,
    });
    const { heapUsed, external, handles } = (counted.result?.value ?? {}) as Counted;
    return {
      'resident, MiB': residentBytes(this.process) / mebibyte,
      'heap, MiB': heapUsed / mebibyte,
      'buffers, MiB': external / mebibyte,
      handles,
      timers: await this.timers(),
      descriptors: readdirSync(`/proc/${this.process.pid}/fd`).length,
    };
  }

  get cpuSeconds(): number {
    return cpuSeconds(this.process);
  }

  close(): void {
    this.inspector.close();
  }

  private async timers(): Promise<number> {
    const { inspector } = this;
    const prototype = await inspector.ask('Runtime.evaluate', { expression: timerPrototype, objectGroup });
    const { objects } = await inspector.ask('Runtime.queryObjects', {
      prototypeObjectId: prototype.result?.objectId,
      objectGroup,
    });
    const { result } = await inspector.ask('Runtime.callFunctionOn', {
      functionDeclaration: timersRunning,
      objectId: objects?.objectId,
      returnByValue: true,
    });
    await inspector.ask('Runtime.releaseObjectGroup', { objectGroup });
    return Number(result?.value);
  }
}
