// A Node process looked into over its inspector (the DevTools protocol): what memory it has in use, where its time goes.

import { once } from 'node:events';
import WebSocket from 'ws';
import type { Started } from './processes.ts';

export interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number;
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number };
  }[];
  readonly samples: readonly number[];
  readonly timeDeltas: readonly number[];
}

interface Answer {
  readonly result?: { readonly value?: unknown; readonly objectId?: string };
  readonly objects?: { readonly objectId?: string };
  readonly profile?: CpuProfile;
}

export class Inspector {
  private readonly socket: WebSocket;
  private lastId = 0;

  private constructor(socket: WebSocket) {
    this.socket = socket;
  }

  /** @throws where the process was not started to be inspected */
  static async attach({ inspector }: Started): Promise<Inspector> {
    if (inspector === undefined) throw new Error('this process cannot be inspected');
    const socket = new WebSocket(inspector, { perMessageDeflate: false });
    await once(socket, 'open');
    return new Inspector(socket);
  }

  ask(method: string, params: object = {}): Promise<Answer> {
    this.lastId += 1;
    const id = this.lastId;
    return new Promise((resolve, reject) => {
      const left = () => reject(new Error('the inspector left'));
      const hear = (data: Buffer) => {
        const message = JSON.parse(data.toString()) as {
          id?: number;
          result?: Answer;
          error?: { message: string };
        };
        if (message.id !== id) return;
        this.socket.off('message', hear).off('close', left);
        if (message.result === undefined) reject(new Error(`${method}: ${message.error?.message}`));
        else resolve(message.result);
      };
      this.socket.on('message', hear).once('close', left);
      this.socket.send(JSON.stringify({ id, method, params }));
    });
  }

  close(): void {
    this.socket.terminate();
  }
}

/** Bytes of heap, and of buffers outside of it, after a collection. */
export async function memoryInUse(process: Started): Promise<number> {
  const inspector = await Inspector.attach(process);
  try {
    // The second collection takes what finalizers of the first have let go.
    for (let i = 0; i < 2; i += 1) await inspector.ask('HeapProfiler.collectGarbage');
    const expression = '(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())';
    const { result } = await inspector.ask('Runtime.evaluate', { expression });
    return Number(result?.value);
  } finally {
    inspector.close();
  }
}
