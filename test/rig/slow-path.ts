// A stretch of TCP that takes its time: what comes in at one end leaves at the other after a while, in order.

import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import type { Rig } from './rig.ts';

/** Answers the local port that leads to `targetPort`, `delayMs` away in each direction. */
export async function startSlowPath(rig: Rig, targetPort: number, delayMs: number): Promise<number> {
  const sockets = new Set<Socket>();
  const server = createServer((near) => {
    const far = connect({ host: '127.0.0.1', port: targetPort, noDelay: true });
    for (const [from, to] of [
      [near, far],
      [far, near],
    ] as const) {
      sockets.add(from);
      from.on('data', (chunk) => void setTimeout(() => to.write(chunk), delayMs));
      from.on('error', () => to.destroy()).on('close', () => void setTimeout(() => to.destroy(), delayMs));
      from.on('close', () => sockets.delete(from));
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  rig.defer(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return (server.address() as AddressInfo).port;
}
