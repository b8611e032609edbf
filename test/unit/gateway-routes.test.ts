import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { DialOptions, StreamSocket } from '../../src/client/index.ts';
import { HostRoutes } from '../../src/gateway/host-routes.ts';
import { RoutedDialer } from '../../src/gateway/routed-dialer.ts';
import { type ErrorCode, FairleadError } from '../../src/protocol/errors.ts';

const never = new AbortController().signal;
const connected = {} as StreamSocket;

/** A broker that answers `holders` in turn, the last one from then on, and whose nodes do as `nodes` says. */
class FakeBroker {
  readonly log: string[] = [];
  readonly #holders: string[][];
  readonly #nodes: Record<string, ErrorCode | 'connects' | 'hangs'>;

  constructor(holders: string[][], nodes: Record<string, ErrorCode | 'connects' | 'hangs'>) {
    this.#holders = holders;
    this.#nodes = nodes;
  }

  async resolve(host: string): Promise<{ node: string; route: string; sessions: number }[]> {
    this.log.push(`resolve ${host}`);
    const nodes = (this.#holders.length > 1 ? this.#holders.shift() : this.#holders[0]) ?? [];
    if (nodes.length === 0) throw new FairleadError('ERR_NODE_UNREACHABLE', 'nobody');
    return nodes.map((node) => ({ node, route: host, sessions: 0 }));
  }

  async dial({ node, host, port, signal }: DialOptions): Promise<StreamSocket> {
    this.log.push(`dial ${node} ${host}:${port}`);
    const does = this.#nodes[node] ?? 'connects';
    if (does === 'connects') return connected;
    if (does !== 'hangs') throw new FairleadError(does, `${node} says ${does}`);
    return await new Promise((_resolve, reject) => {
      signal?.addEventListener('abort', () => reject(new FairleadError('ERR_ABORTED', 'given up')));
    });
  }
}

describe('a dial goes to whoever serves the host', () => {
  test('an answer is asked for once and used again, however the name is written', async () => {
    const broker = new FakeBroker([['a', 'b']], {});
    const dialer = new RoutedDialer(broker, 1000);
    for (const host of ['db.internal', 'DB.internal.', 'db.INTERNAL'])
      await dialer.dial({ host, port: 5 }, never);
    expect(broker.log).toEqual(['resolve db.internal', ...new Array(3).fill('dial a db.internal:5')]);
  });

  test('a node that is named is dialled without asking', async () => {
    const broker = new FakeBroker([], {});
    await new RoutedDialer(broker, 1000).dial({ node: 'n', host: '127.0.0.1', port: 5 }, never);
    expect(broker.log).toEqual(['dial n 127.0.0.1:5']);
  });

  test.each<ErrorCode>(['ERR_NODE_UNREACHABLE', 'ERR_DRAINING', 'ERR_SESSION_LOST'])(
    'after %s the next holder is tried, and the answer is not used again',
    async (code) => {
      const broker = new FakeBroker([['a', 'b'], ['b']], { a: code });
      const dialer = new RoutedDialer(broker, 1000);
      await dialer.dial({ host: 'h', port: 5 }, never);
      await dialer.dial({ host: 'h', port: 5 }, never);
      expect(broker.log).toEqual(['resolve h', 'dial a h:5', 'dial b h:5', 'resolve h', 'dial b h:5']);
    },
  );

  test('when all holders are gone it asks once more, and then gives the last reason', async () => {
    const back = new FakeBroker([['a'], ['c']], { a: 'ERR_NODE_UNREACHABLE' });
    await new RoutedDialer(back, 1000).dial({ host: 'h', port: 5 }, never);
    expect(back.log).toEqual(['resolve h', 'dial a h:5', 'resolve h', 'dial c h:5']);

    const gone = new FakeBroker([['a'], ['a']], { a: 'ERR_SESSION_LOST' });
    const dialer = new RoutedDialer(gone, 1000);
    await expect(dialer.dial({ host: 'h', port: 5 }, never)).rejects.toMatchObject({
      code: 'ERR_SESSION_LOST',
    });
    expect(gone.log).toEqual(['resolve h', 'dial a h:5', 'resolve h', 'dial a h:5']);
  });

  test.each<ErrorCode>(['ECONNREFUSED', 'ERR_TARGET_DENIED', 'ERR_GRANT_DENIED', 'ETIMEDOUT', 'ENOTFOUND'])(
    '%s is final',
    async (code) => {
      const broker = new FakeBroker([['a', 'b']], { a: code });
      const dialer = new RoutedDialer(broker, 1000);
      await expect(dialer.dial({ host: 'h', port: 5 }, never)).rejects.toMatchObject({ code });
      expect(broker.log).toEqual(['resolve h', 'dial a h:5']);
    },
  );

  test('a dial that is given up stops at once', async () => {
    const broker = new FakeBroker([['a', 'b']], { a: 'hangs' });
    const client = new AbortController();
    const dial = new RoutedDialer(broker, 60_000).dial({ host: 'h', port: 5 }, client.signal);
    await sleep(1);
    client.abort();
    await expect(dial).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(broker.log).toEqual(['resolve h', 'dial a h:5']);
  });

  test('a broker that does not say who serves a host is not waited for', async () => {
    const silent = {
      resolve: (_host: string, { signal }: { signal?: AbortSignal } = {}) =>
        new Promise<never>((_resolve, reject) => {
          signal?.addEventListener('abort', () =>
            reject(new FairleadError('ERR_BROKER_UNREACHABLE', 'late')),
          );
        }),
      dial: async () => connected,
    };
    const dial = new RoutedDialer(silent, 20).dial({ host: 'h', port: 5 }, never);
    await expect(dial).rejects.toMatchObject({ code: 'ERR_BROKER_UNREACHABLE' });
  });
});

describe('answers are kept', () => {
  test('no longer than they are believed', async () => {
    let asked = 0;
    const routes = new HostRoutes(async () => [`n${asked++}`], { ttlMs: 30, maxHosts: 10 });
    expect(await routes.holders('h', never)).toEqual(['n0']);
    expect(await routes.holders('h', never)).toEqual(['n0']);
    await sleep(40);
    expect(await routes.holders('h', never)).toEqual(['n1']);
  });

  test('up to a bound: the oldest goes first', async () => {
    const asked: string[] = [];
    const routes = new HostRoutes(
      async (host) => {
        asked.push(host);
        return ['n'];
      },
      { ttlMs: 60_000, maxHosts: 3 },
    );
    for (const host of ['a', 'b', 'c', 'd', 'b', 'a']) await routes.holders(host, never);
    expect(routes.size).toBe(3);
    expect(asked).toEqual(['a', 'b', 'c', 'd', 'a']);
  });

  test('a failure is not an answer', async () => {
    let asked = 0;
    const routes = new HostRoutes(async () => {
      asked += 1;
      if (asked === 1) throw new FairleadError('ERR_NODE_UNREACHABLE', 'nobody');
      return ['n'];
    });
    await expect(routes.holders('h', never)).rejects.toMatchObject({ code: 'ERR_NODE_UNREACHABLE' });
    expect(await routes.holders('h', never)).toEqual(['n']);
  });

  test('those who ask at the same time share one question, which ends when the last of them has left', async () => {
    const asked: AbortSignal[] = [];
    let answer: (nodes: string[]) => void = () => {};
    const routes = new HostRoutes((_host, signal) => {
      asked.push(signal);
      return new Promise((resolve, reject) => {
        answer = resolve;
        signal.addEventListener('abort', () => reject(new FairleadError('ERR_ABORTED', 'nobody waits')));
      });
    });
    const [first, second] = [new AbortController(), new AbortController()];
    const waiting = [routes.holders('h', first.signal), routes.holders('h', second.signal)];
    first.abort();
    await expect(waiting[0]).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(asked.map(({ aborted }) => aborted)).toEqual([false]);
    answer(['n']);
    expect(await waiting[1]).toEqual(['n']);

    const third = new AbortController();
    const alone = routes.holders('other', third.signal);
    third.abort();
    await expect(alone).rejects.toMatchObject({ code: 'ERR_ABORTED' });
    expect(asked[1]?.aborted).toBe(true);
    // Who comes now does not get the question that was given up.
    const late = routes.holders('other', never);
    answer(['m']);
    expect(await late).toEqual(['m']);
  });
});
