// A man in the middle of a link, who speaks WebSocket to both sides: what a compromised broker, or whoever runs its
// machine, can do to messages. Sees all of them, and passes on what it likes.

import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { WebSocket, WebSocketServer } from 'ws';
import type { Rig } from './rig.ts';

/** Who sent a message: the one who dialled the middle, or the broker behind it. */
export type From = 'near' | 'far';

export class Middle {
  url = '';
  readonly seen: { readonly from: From; readonly message: Buffer }[] = [];
  /** How many messages were not passed on as they came. */
  altered = 0;
  /** What is passed on in place of a message, in this order. */
  alter: (from: From, message: Buffer) => Buffer[] = (_, message) => [message];

  static async start(rig: Rig, brokerUrl: string): Promise<Middle> {
    const middle = new Middle();
    const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
    await once(server, 'listening');
    middle.url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`;
    server.on('connection', (near, request) => {
      const { authorization = '' } = request.headers;
      const far = new WebSocket(`${brokerUrl}${request.url}`, 'fairlead.v1', { headers: { authorization } });
      const opened = once(far, 'open');
      opened.catch(() => {});
      near.on('message', async (data: Buffer) => {
        await opened;
        middle.pass('near', data, far);
      });
      far.on('message', (data: Buffer) => middle.pass('far', data, near));
      for (const [one, other] of [
        [near, far],
        [far, near],
      ] as const)
        one.on('error', () => other.terminate()).on('close', () => other.terminate());
    });
    rig.defer(() => {
      for (const near of server.clients) near.terminate();
      server.close();
    });
    return middle;
  }

  /** Everything that it saw, as one. */
  get capture(): Buffer {
    return Buffer.concat(this.seen.map(({ message }) => message));
  }

  private pass(from: From, message: Buffer, to: WebSocket): void {
    this.seen.push({ from, message: Buffer.from(message) });
    const passed = this.alter(from, message);
    if (passed.length !== 1 || passed[0] !== message) this.altered += 1;
    for (const each of passed) to.send(each);
  }
}
