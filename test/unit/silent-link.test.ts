import { EventEmitter, once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import type { LinkHandler } from '../../src/link/broker-link.ts';
import { LinkKeeper } from '../../src/link/keeper.ts';
import { Link } from '../../src/link/link.ts';
import { encodeControl, type Hello } from '../../src/protocol/control.ts';
import { frameTypes } from '../../src/protocol/frame.ts';
import { fakeLinks, patientListener } from '../rig/fake-links.ts';

const hello: Hello = { version: 'test', maxMessageBytes: 266_240, inFlightBytes: 1_048_576 };

beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A link to a broker that answers pings or does not; what it was told, and how often it looked. */
async function linked(answers: boolean) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1', autoPong: answers });
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const connected = once(server, 'connection') as Promise<[WebSocket]>;
  const told: string[] = [];
  const said = new EventEmitter();
  const isUp = once(said, 'hello');
  const link = new Link(
    { url: `ws://127.0.0.1:${port}`, token: 'a.b.c' },
    '/v1/agent',
    {},
    {
      hello: () => said.emit('hello'),
      control() {},
      message() {},
      drained() {},
      silent: () => told.push('silent'),
      closed: ({ code }) => told.push(code),
    },
  );
  const [far] = await connected;
  far.send(encodeControl(frameTypes.HELLO, 0n, hello));
  await isUp;
  const looks = async (count: number): Promise<void> => {
    for (let n = 0; n < count; n += 1) {
      const pinged = once(far, 'ping');
      vi.advanceTimersByTime(2500);
      await pinged;
      // The pong is under way, or there is none.
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  };
  const end = (): void => {
    link.close();
    server.close();
  };
  return { told, looks, end };
}

test('a broker that does not answer a ping is said to be silent, and is given up only later', async () => {
  const { told, looks, end } = await linked(false);
  await looks(1);
  expect(told).toEqual([]);
  await looks(2);
  expect(told).toEqual(['silent', 'silent']);
  vi.advanceTimersByTime(7500);
  expect(told.at(-1)).toBe('ERR_BROKER_UNREACHABLE');
  end();
});

test('one that answers is not', async () => {
  const { told, looks, end } = await linked(true);
  await looks(4);
  expect(told).toEqual([]);
  end();
});

test('beside a silent link another is tried once in half a minute, and takes over if it comes to stand', async () => {
  vi.useFakeTimers();
  const handlers: LinkHandler[] = [];
  const closed: number[] = [];
  const links = fakeLinks(
    (handler) => handlers.push(handler),
    (nth) => closed.push(nth),
  );
  const keeper = new LinkKeeper(links, '/v1/agent', () => ({}), patientListener);
  keeper.start();
  handlers[0]?.hello(hello);
  const fallSilent = async (nth: number): Promise<void> => {
    handlers[nth]?.silent?.();
    await vi.advanceTimersByTimeAsync(100);
  };
  await fallSilent(0);
  expect([handlers.length, closed]).toEqual([2, []]);
  handlers[1]?.hello(hello);
  expect(closed).toEqual([1]);
  await fallSilent(1);
  expect(handlers.length).toBe(2);
  await vi.advanceTimersByTimeAsync(30_000);
  await fallSilent(1);
  expect(handlers.length).toBe(3);
  keeper.close();
});
