// Frames that must not be sent, from a hostile dialer to a real agent and from a hostile agent to a real dialer,
// through a real broker: the session or the one stream ends with its code, and both go on to serve others.

import { once } from 'node:events';
import { type AddressInfo, createServer, type Server } from 'node:net';
import type { Duplex } from 'node:stream';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import { connect } from '../../src/client/index.ts';
import { encodeControl } from '../../src/protocol/control.ts';
import { formatSession } from '../../src/protocol/envelope.ts';
import { wireCodeName } from '../../src/protocol/errors.ts';
import { type Frame, frameTypes } from '../../src/protocol/frame.ts';
import { decodeReason } from '../../src/protocol/open.ts';
import { BrokerUnderFire } from './broker-under-fire.ts';
import { frame, message, RawPeer } from './raw-peer.ts';
import { type SessionRow, session, toAgentRows, toDialerRows } from './session-rows.ts';

let broker: BrokerUnderFire;
let target: Server;
let targetPort: number;
beforeAll(async () => {
  broker = await BrokerUnderFire.start();
  target = createServer((socket) => {
    socket.on('error', () => {});
    socket.once('data', () => socket.write('back'));
  });
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  targetPort = (target.address() as AddressInfo).port;
});
afterAll(async () => {
  target.close();
  await broker.close();
});

const { OPEN, ACCEPT, DATA, SYNC, RESET, GOAWAY, ATTACH } = frameTypes;
const hello = frame({ type: SYNC });
const data = (text: string) => frame({ type: DATA, stream: 1, payload: text });

/** The frame that ends what the row says. */
function endOf(row: SessionRow): (frame: Frame) => boolean {
  return ({ type, stream, argument }) =>
    row.ends === 'session'
      ? type === GOAWAY
      : type === RESET && stream === (row.stream ?? 1) && argument !== 0;
}

function expectEnd(row: SessionRow, { argument, payload }: Frame): void {
  expect(wireCodeName(argument)).toBe(row.code);
  expect(decodeReason(payload, 256)).toContain(row.says);
}

async function answerOn(socket: Duplex): Promise<string> {
  // The client is closed under it.
  socket.on('error', () => {});
  socket.write('four');
  return String((await once(socket, 'data'))[0]);
}

describe('an agent refuses', () => {
  let agent: Awaited<ReturnType<typeof startAgent>>;
  let lastSession = 0x1000n;
  beforeAll(async () => {
    const allow = [`127.0.0.1:${targetPort}`, '*:9'];
    agent = await startAgent({
      url: broker.url,
      token: broker.token('agent'),
      node: 'edge-1',
      allow,
      version: '1',
    });
  });
  afterAll(() => agent.close());

  /** A dialer whose stream 1 is open. */
  async function dialer(): Promise<{ peer: RawPeer; id: bigint }> {
    lastSession += 1n;
    const path = `/v1/dial?node=edge-1&session=${formatSession(lastSession)}`;
    const peer = await RawPeer.join(broker.url, path, broker.token('dial'));
    await peer.hearsControl(ATTACH);
    const payload = JSON.stringify({ host: '127.0.0.1', port: targetPort });
    const open = frame({ type: OPEN, stream: 1, argument: 262_144, payload });
    peer.send(message(lastSession, hello, open, data('four')));
    await peer.hearsFrame(({ type, stream }) => type === DATA && stream === 1);
    return { peer, id: lastSession };
  }

  test.each(toAgentRows)('$name', async (row) => {
    const { peer, id } = await dialer();
    for (const bytes of row.send) peer.send(message(id, bytes.subarray(8)));
    expectEnd(row, await peer.hearsFrame(endOf(row)));
    peer.end();
  });

  test('and after all of them it serves another dialer', async () => {
    const client = connect({ url: broker.url, token: broker.token('dial') });
    const socket = await client.dial({ node: 'edge-1', host: '127.0.0.1', port: targetPort });
    expect(await answerOn(socket)).toBe('back');
    await client.close();
  });
});

describe('a dialer refuses', () => {
  let instances = 0;

  /** An agent that takes a client's session, and opens its first stream; the second one waits. */
  async function dialled() {
    // A new one each time: a client of the row before, still on its way out, is not offered to it.
    instances += 1;
    const path = `/v1/agent?node=edge-1&instance=hostile-${instances}`;
    const agent = await RawPeer.join(broker.url, path, broker.token('agent'));
    const client = connect({ url: broker.url, token: broker.token('dial'), dialTimeoutMs: 8000 });
    const target = { node: 'edge-1', host: '127.0.0.1', port: 9 };
    const first = client.dial(target);
    const { session: id } = await agent.hearsControl(ATTACH);
    agent.send(encodeControl(ATTACH, id));
    await agent.hearsFrame(({ type }) => type === SYNC);
    agent.send(message(id, frame({ type: SYNC })));
    await agent.hearsFrame(({ type, stream }) => type === OPEN && stream === 1);
    const payload = '{"address":"127.0.0.1","port":9,"family":"IPv4"}';
    agent.send(message(id, frame({ type: ACCEPT, stream: 1, argument: 262_144, payload }), data('back')));
    const socket = await first;
    const failed = once(socket, 'error').then(([error]) => error);
    socket.resume().write('four');
    await agent.hearsFrame(({ type }) => type === DATA);
    const second = client.dial(target).then(
      () => undefined,
      (error: unknown) => error,
    );
    await agent.hearsFrame(({ type, stream }) => type === OPEN && stream === 2);
    return { agent, client, id, first: failed, second };
  }

  test.each(toDialerRows)('$name', async (row) => {
    const { agent, client, id, first, second } = await dialled();
    for (const bytes of row.send) agent.send(message(id, bytes.subarray(8)));
    expectEnd(row, await agent.hearsFrame(endOf(row)));
    const error = await (row.stream === 2 ? second : first);
    expect(error).toMatchObject({ code: row.code, message: expect.stringContaining(row.says) });
    await client.close();
    agent.end();
    await agent.closed;
  });

  test('and after all of them this process dials a good agent', async () => {
    const allow = [`127.0.0.1:${targetPort}`];
    const agent = await startAgent({
      url: broker.url,
      token: broker.token('agent'),
      node: 'edge-1',
      allow,
      version: '1',
    });
    const client = connect({ url: broker.url, token: broker.token('dial') });
    const socket = await client.dial({ node: 'edge-1', host: '127.0.0.1', port: targetPort });
    expect(await answerOn(socket)).toBe('back');
    await client.close();
    await agent.close();
  });
});

test('every row is written for the session that it is sent on', () => {
  for (const { send } of [...toAgentRows, ...toDialerRows])
    for (const bytes of send) expect(bytes.subarray(0, 8)).toEqual(message(session));
});
