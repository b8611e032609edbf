// What a Node process has in use after a collection: heap, and buffers outside of it. Asked over its inspector, by the
// DevTools protocol's HeapProfiler and Runtime domains.

import { once } from 'node:events';
import WebSocket from 'ws';
import type { Started } from './processes.ts';

/** @throws where the process was not started to be inspected */
export async function memoryInUse({ inspector }: Started): Promise<number> {
  if (inspector === undefined) throw new Error('this process cannot be inspected');
  const socket = new WebSocket(inspector, { perMessageDeflate: false });
  try {
    await once(socket, 'open');
    // The second collection takes what finalizers of the first have let go.
    for (let i = 0; i < 2; i += 1) await ask(socket, 'HeapProfiler.collectGarbage');
    const expression = '(({ heapUsed, external }) => heapUsed + external)(process.memoryUsage())';
    const { result } = await ask(socket, 'Runtime.evaluate', { expression });
    return Number(result?.value);
  } finally {
    socket.terminate();
  }
}

interface Answer {
  readonly result?: { readonly value?: unknown };
}

let lastId = 0;

function ask(socket: WebSocket, method: string, params: object = {}): Promise<Answer> {
  lastId += 1;
  const id = lastId;
  return new Promise((resolve, reject) => {
    const hear = (data: Buffer) => {
      const message = JSON.parse(data.toString()) as {
        id?: number;
        result?: Answer;
        error?: { message: string };
      };
      if (message.id !== id) return;
      socket.off('message', hear);
      if (message.result === undefined) reject(new Error(`${method}: ${message.error?.message}`));
      else resolve(message.result);
    };
    socket.on('message', hear);
    socket.once('close', () => reject(new Error('the inspector left')));
    socket.send(JSON.stringify({ id, method, params }));
  });
}
