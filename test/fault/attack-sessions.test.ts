// Peers that are let in and then break the rules, against real processes: credit and window, another's session, an
// ATTACH again, links without end. Each is answered with its code, and a neighbour goes on.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { mintToken } from '../../src/broker/index.ts';
import { connect } from '../../src/client/index.ts';
import { encodeControl } from '../../src/protocol/control.ts';
import { formatSession, readSession } from '../../src/protocol/envelope.ts';
import { closeCodes, wireCodeName } from '../../src/protocol/errors.ts';
import { decodeFrames, type Frame, frameTypes } from '../../src/protocol/frame.ts';
import { frame, message, RawPeer, u64 } from '../refusals/raw-peer.ts';
import { figuresOf } from '../rig/prometheus.ts';
import { Network, Rig } from '../rig/rig.ts';
import { listen, pattern, writePattern } from '../rig/targets.ts';

const { OPEN, ACCEPT, DATA, CREDIT, RESET, SYNC, PING, PONG, GOAWAY, ATTACH, DETACH, HELLO } = frameTypes;
const hello = frame({ type: SYNC });
const initialCredit = 262_144;

const open = (port: number, stream = 1, credit = initialCredit) =>
  frame({ type: OPEN, stream, argument: credit, payload: JSON.stringify({ host: '127.0.0.1', port }) });

/** A dialer whose session has begun, which says what it likes from then on. */
async function rawDialer(network: Network, token: string, session: bigint): Promise<RawPeer> {
  const path = `/v1/dial?node=edge-1&session=${formatSession(session)}`;
  const peer = await RawPeer.join(network.url, path, token);
  network.rig.defer(() => peer.end());
  peer.send(message(session, hello));
  return peer;
}

const tokenOf = ({ rig }: Network, subject: string) =>
  mintToken({ secret: readFileSync(rig.path('secret')), dial: ['edge-*'], subject });

async function echoNeighbour(network: Network) {
  const port = await listen(network.rig, (socket) => socket.pipe(socket));
  const broker = connect({ url: network.url, token: network.dialToken });
  network.rig.defer(() => broker.close());
  const socket = await broker.dial({ node: 'edge-1', host: '127.0.0.1', port });
  network.rig.defer(() => socket.destroy());
  return async () => {
    socket.write('still here');
    expect(String((await once(socket, 'data'))[0])).toBe('still here');
  };
}

interface Abuse {
  readonly name: string;
  /** Frames, sent over and over where they are many. */
  readonly parts: readonly Uint8Array[];
  readonly times?: number;
  readonly ends: 'stream' | 'session';
  readonly code: string;
}

const beyond = 2 ** 40;
const abuses: readonly Abuse[] = [
  {
    name: 'data beyond the credit',
    parts: [frame({ type: DATA, stream: 1, argument: beyond, payload: 'x' })],
    ends: 'stream',
    code: 'ERR_FLOW_CONTROL',
  },
  {
    name: 'credit of 2^53 − 1',
    parts: [frame({ type: CREDIT, stream: 1, argument: Number.MAX_SAFE_INTEGER, payload: u64(0) })],
    ends: 'stream',
    code: 'ERR_FLOW_CONTROL',
  },
  {
    name: 'credit of 2^53',
    parts: [frame({ type: CREDIT, stream: 1, argument: 2 ** 53, payload: u64(0) })],
    ends: 'session',
    code: 'ERR_PROTOCOL',
  },
  {
    name: 'an acknowledgement of 2^53 − 1 bytes',
    parts: [frame({ type: CREDIT, stream: 1, argument: 0, payload: u64(Number.MAX_SAFE_INTEGER) })],
    ends: 'stream',
    code: 'ERR_PROTOCOL',
  },
  {
    name: 'a flood of SYNC that asks and wants all again',
    parts: Array.from({ length: 1000 }, () =>
      frame({ type: SYNC, stream: 1, payload: Buffer.concat([u64(initialCredit, 0), Buffer.from([3])]) }),
    ),
    times: 300,
    ends: 'session',
    code: 'ERR_RATE_LIMIT',
  },
  {
    name: 'a flood of CREDIT',
    parts: Array.from({ length: 1000 }, () =>
      frame({ type: CREDIT, stream: 1, argument: initialCredit, payload: u64(0) }),
    ),
    times: 300,
    ends: 'session',
    code: 'ERR_RATE_LIMIT',
  },
  {
    name: 'a flood of PING',
    parts: Array.from({ length: 1000 }, () => frame({ type: PING })),
    times: 300,
    ends: 'session',
    code: 'ERR_RATE_LIMIT',
  },
];

test('window and credit abuse ends the stream or session that does it with its code, and no other', async () => {
  await using rig = new Rig();
  const network = await Network.start(rig);
  const neighbour = await echoNeighbour(network);
  const silent = await listen(rig, (socket) => void socket.pause());
  for (const [n, { name, parts, times = 1, ends, code }] of abuses.entries()) {
    const session = 0x100n + BigInt(n);
    // Each of a principal of its own: one that broke a rate would have to wait.
    const peer = await rawDialer(network, await tokenOf(network, `mallory-${n}`), session);
    peer.send(message(session, open(silent)));
    await peer.hearsFrame(({ type }) => type === ACCEPT);
    const isEnd = ({ type, stream, argument }: Frame) =>
      ends === 'session' ? type === GOAWAY : type === RESET && stream === 1 && argument !== 0;
    const ended = peer.hearsFrame(isEnd);
    for (let time = 0; time < times; time += 1) peer.send(message(session, ...parts));
    expect({ name, code: wireCodeName((await ended).argument) }).toEqual({ name, code });
    await neighbour();
  }
});

/** Takes what comes on stream 1, in order, and acknowledges it with the credit that `limit` says. */
class Intake {
  readonly chunks: Buffer[] = [];
  received = 0;
  limit: number;
  private wake = () => {};

  constructor(limit: number) {
    this.limit = limit;
  }

  from(peer: RawPeer, session: bigint): void {
    peer.socket.on('message', (data: Buffer) => {
      if (readSession(data) !== session) return;
      decodeFrames(data, ({ type, stream, argument, payload }) => {
        if (type !== DATA || stream !== 1 || argument !== this.received) return;
        this.chunks.push(Buffer.from(payload));
        this.received += payload.length;
      });
      peer.send(message(session, this.credit()));
      this.wake();
    });
  }

  credit(): Buffer {
    return frame({ type: CREDIT, stream: 1, argument: this.limit, payload: u64(this.received) });
  }

  async until(bytes: number): Promise<void> {
    while (this.received < bytes)
      await new Promise<void>((resolve) => {
        this.wake = resolve;
      });
  }
}

test('credit that shrinks takes nothing back and gives nothing: exactly what was granted is sent', async () => {
  await using rig = new Rig();
  const network = await Network.start(rig);
  const pouring = await listen(rig, (socket) => void writePattern(socket, 8 * 1024 * 1024));
  const session = 0x200n;
  const peer = await rawDialer(network, await tokenOf(network, 'mallory'), session);
  // Every acknowledgement says that the peer may send nothing, although more was granted before.
  const intake = new Intake(1);
  intake.from(peer, session);
  peer.send(message(session, open(pouring, 1, 100_000), intake.credit()));
  await intake.until(100_000);
  intake.limit = 150_000;
  peer.send(message(session, intake.credit()));
  intake.limit = 1;
  await intake.until(150_000);
  // What would come without credit would have come before the answer to this.
  peer.send(message(session, intake.credit(), frame({ type: PING, argument: 7 })));
  await peer.hearsFrame(({ type, argument }) => type === PONG && argument === 7);
  expect(intake.received).toBe(150_000);
});

test("a session's id is no key: another principal gets neither the link, nor the session, nor a byte of it", async () => {
  await using rig = new Rig();
  const network = await Network.start(rig);
  const bytes = 600_000;
  const pouring = await listen(rig, (socket) => void writePattern(socket, bytes));
  const session = 0x300n;
  const [aliceToken, malloryToken] = [await tokenOf(network, 'alice'), await tokenOf(network, 'mallory')];
  const path = `/v1/dial?node=edge-1&session=${formatSession(session)}`;
  let stolen = 0;
  const steal = async () => {
    const thief = await RawPeer.join(network.url, path, malloryToken);
    thief.socket.on('message', (data: Buffer) => {
      if (readSession(data) !== 0n) stolen += 1;
    });
    thief.send(message(session, hello, open(pouring, 9)));
    return await thief.closed;
  };

  const alice = await rawDialer(network, aliceToken, session);
  const intake = new Intake(initialCredit);
  intake.from(alice, session);
  alice.send(message(session, open(pouring)));
  await intake.until(1);
  const forbidden = (reason: string) => ({
    code: closeCodes.forbidden,
    reason: expect.stringContaining(reason),
  });
  // While her link stands, the broker itself refuses.
  expect(await steal()).toMatchObject(forbidden('the session is in use'));
  alice.end();
  // When it does not, the agent does.
  let answer = await steal();
  while (answer.reason.includes('in use')) answer = await steal();
  expect(answer).toMatchObject(forbidden('ERR_PRINCIPAL: the session belongs to another principal'));
  expect(stolen).toBe(0);

  const again = await RawPeer.join(network.url, path, aliceToken);
  rig.defer(() => again.end());
  intake.limit = 2 * bytes;
  intake.from(again, session);
  const known = Buffer.concat([u64(intake.limit, 0), Buffer.from([3])]);
  again.send(
    message(
      session,
      frame({ type: SYNC, argument: 1 }),
      frame({ type: SYNC, stream: 1, argument: intake.received, payload: known }),
    ),
  );
  await intake.until(bytes);
  expect(Buffer.concat(intake.chunks).equals(pattern.subarray(0, bytes))).toBe(true);
});

test('a replayed ATTACH: nothing is dialled twice, nobody else gets in, and a session that ended stays ended', async () => {
  await using rig = new Rig();
  let dialled = 0;
  const port = await listen(rig, () => {
    dialled += 1;
  });
  rig.write('agent.token', 'a.b.c');
  // The broker is the attacker here: it may say anything.
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  rig.defer(() => server.close());
  await once(server, 'listening');
  const { port: brokerPort } = server.address() as { port: number };
  const connected = once(server, 'connection') as Promise<[WebSocket]>;
  rig.fairlead(
    ...['agent', '--broker', `ws://127.0.0.1:${brokerPort}`, '--node', 'edge-1'],
    ...['--token-file', rig.path('agent.token'), '--allow', '127.0.0.1:*'],
  );
  const agent = new RawPeer((await connected)[0]);
  rig.defer(() => agent.end());
  agent.send(
    encodeControl(HELLO, 0n, { version: 'evil', maxMessageBytes: 266_240, inFlightBytes: 16_777_216 }),
  );
  const session = 0x400n;
  const attach = (principal: string) => encodeControl(ATTACH, session, { principal, grants: {} });
  /** The target hears of a connection in its own time. */
  const dialledAgain = async (times: number) => {
    while (dialled < times) await sleep(5);
    expect(dialled).toBe(times);
  };
  const refusal = async () => {
    const { payload } = await agent.hearsControl(DETACH);
    return (JSON.parse(Buffer.from(payload).toString()) as { code: string }).code;
  };

  agent.send(attach('alice'));
  agent.send(message(session, hello, open(port)));
  await agent.hearsFrame(({ type }) => type === ACCEPT);
  agent.send(attach('alice'));
  agent.send(message(session, hello, open(port)));
  await agent.hearsFrame(({ type }) => type === ACCEPT);
  await dialledAgain(1);

  agent.send(attach('mallory'));
  expect(await refusal()).toBe('ERR_PRINCIPAL');
  agent.send(message(session, open(port, 2)));
  agent.send(attach('alice'));
  agent.send(message(session, hello, open(port, 3)));
  await agent.hearsFrame(({ type, stream }) => type === ACCEPT && stream === 3);
  await dialledAgain(2);

  agent.send(message(session, frame({ type: GOAWAY, argument: 22 })));
  agent.send(attach('alice'));
  expect(await refusal()).toBe('ERR_SESSION_LOST');
  expect(dialled).toBe(2);
});

test('a dialer cannot write an ATTACH of its own', async () => {
  await using rig = new Rig();
  const network = await Network.start(rig);
  const peer = await rawDialer(network, await tokenOf(network, 'mallory'), 0x500n);
  peer.send(encodeControl(ATTACH, 0x501n, { principal: 'alice', grants: {} }));
  expect((await peer.closed).code).toBe(closeCodes.protocol);
});

test('links without end of one principal: the agent stops at its limit, and others get in', async () => {
  await using rig = new Rig();
  const network = await Network.start(
    rig,
    '127.0.0.1:*',
    ['--max-sessions-per-principal', '20'],
    ['--max-links-per-principal', '60'],
  );
  const neighbour = await echoNeighbour(network);
  const token = await tokenOf(network, 'mallory');
  const codes: number[] = [];
  const held: RawPeer[] = [];
  for (let n = 0; n < 100; n += 1) {
    const peer = await rawDialer(network, token, 0x600n + BigInt(n));
    held.push(peer);
    void peer.closed.then(({ code }) => codes.push(code));
  }
  while (codes.length < 80) await sleep(10);
  expect(new Set(codes)).toEqual(new Set([closeCodes.forbidden]));
  const open = held.filter(({ socket }) => socket.readyState === socket.OPEN);
  expect(open.length).toBe(20);
  console.log(
    `links without end: of 100, ${open.length} stand and ${codes.length} were refused by the agent`,
  );
  const figures = await figuresOf(network.port);
  expect(figures.get('fairlead_refusals_total{reason="refused-by-agent"}')).toBe(80);
  await neighbour();
});
