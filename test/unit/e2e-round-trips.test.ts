// How many round trips encrypted streams cost, counted on a wire that the test carries by hand: both ends here, and
// nothing moves unless it is carried.

import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { SealedStreams } from '../../src/client/sealed-streams.ts';
import { E2eAcceptor, type SealedSession } from '../../src/e2e/acceptor.ts';
import type { DialedStream } from '../../src/e2e/dialed-stream.ts';
import { E2eDialer } from '../../src/e2e/dialer.ts';
import type { E2eAgentOptions, E2eDialerOptions } from '../../src/e2e/options.ts';
import type { FairleadError } from '../../src/protocol/errors.ts';
import { type PathLimits, Session, type SessionHost } from '../../src/protocol/session.ts';
import type { ByteStream, Stream, StreamHandler } from '../../src/protocol/stream.ts';
import { acquainted } from '../rig/identities.ts';
import { Recorder, sessionId } from './pair.ts';

const path: PathLimits = { maxMessageBytes: 262_144, inFlightBytes: 16_777_216, messagesAreDear: false };
const request = { host: '127.0.0.1', port: 22 };

/** A dialer and an agent that answers each request with a greeting of its own and "ready". */
class SealedPair implements SessionHost {
  readonly dialer = new Session('dialer', sessionId, this);
  readonly agent: Session;
  readonly acceptor: E2eAcceptor;
  readonly sealed: SealedSession;
  readonly ends: E2eDialer;
  readonly outer = {
    takesDials: true,
    spareStreams: 0,
    openSealed: (handler: StreamHandler): Stream => this.dialer.open({ e2e: 1 }, handler),
  };
  readonly streams: SealedStreams;
  readonly begun: DialedStream[] = [];
  readonly targets: string[] = [];
  readonly refusals: FairleadError[] = [];

  constructor(
    agentSide: E2eAgentOptions,
    dialerSide: E2eDialerOptions,
    limits: ConstructorParameters<typeof E2eAcceptor>[1] = {},
  ) {
    this.ends = new E2eDialer(dialerSide);
    const begin = this.ends.begin.bind(this.ends);
    this.ends.begin = (...args) => {
      const stream = begin(...args);
      this.begun.push(stream);
      return stream;
    };
    this.streams = new SealedStreams('edge-1', this.outer, this.ends, 10_000);
    this.acceptor = new E2eAcceptor(agentSide, limits);
    this.sealed = this.acceptor.session({
      asked: (stream, { host, port }, { name }) => {
        this.targets.push(`${name} ${host}:${port}`);
        stream.handler = { data() {}, end: () => stream.end(), writable() {}, closed() {} };
        stream.accept({ address: host, port, family: 'IPv4' });
        stream.write(Buffer.from('ready'));
      },
      refused: (_, error) => this.refusals.push(error),
    });
    this.agent = new Session('agent', sessionId, {
      now: () => this.now(),
      outputReady() {},
      wakeAt() {},
      closed() {},
      openedSealed: (stream, version) => this.sealed.opened(stream, version),
    });
    this.dialer.linkUp(path);
    this.agent.linkUp(path);
  }

  now(): number {
    return 0;
  }
  outputReady(): void {}
  wakeAt(): void {}
  closed(): void {}

  dial(): Recorder {
    const recorder = new Recorder();
    this.streams.open(request, recorder, 10_000);
    return recorder;
  }

  /** Carries what either side has to say, there and back, until this holds: how many round trips that took. */
  async roundTripsUntil(holds: () => boolean): Promise<number> {
    for (let trips = 0; trips < 20; trips += 1) {
      if (holds()) return trips;
      await this.roundTrip();
    }
    throw new Error('it does not come about');
  }

  async roundTrip(): Promise<void> {
    await this.carry(this.dialer, this.agent);
    await this.carry(this.agent, this.dialer);
  }

  /** More round trips than anything takes that is still under way. */
  async settle(): Promise<void> {
    for (let trips = 0; trips < 5; trips += 1) await this.roundTrip();
  }

  private async carry(from: Session, to: Session): Promise<void> {
    await quiet();
    for (let message = from.pull(); message !== undefined; message = from.pull()) to.receive(message);
    await quiet();
  }
}

/** Whatever was given has had its effect: TLS works in turns of the event loop, and waits for nothing else. */
async function quiet(): Promise<void> {
  for (let turns = 0; turns < 30; turns += 1) await turn();
}

const hasReply = (recorder: Recorder) => () => recorder.text === 'ready';

test('the first dial costs one round trip more than a plain one, and every later one costs none', async () => {
  const { agentSide, dialerSide } = await acquainted();
  const pair = new SealedPair(agentSide, dialerSide);
  const first = pair.dial();
  expect(await pair.roundTripsUntil(hasReply(first))).toBe(2);
  await pair.settle();
  for (let more = 0; more < 3; more += 1) {
    const later = pair.dial();
    expect(await pair.roundTripsUntil(hasReply(later))).toBe(1);
    await pair.settle();
  }
  expect(pair.targets).toEqual(Array(4).fill('alice 127.0.0.1:22'));
  // One ahead of use, never more.
  expect(pair.outer.spareStreams).toBe(1);
  expect(pair.begun).toHaveLength(5);
});

test('handshakes after the first begin from its ticket', async () => {
  const { agentSide, dialerSide } = await acquainted();
  const pair = new SealedPair(agentSide, dialerSide);
  for (let dials = 0; dials < 4; dials += 1) {
    await pair.roundTripsUntil(hasReply(pair.dial()));
    await pair.settle();
  }
  // The first spare is begun before the first ticket has come, or just after.
  expect(pair.begun.map(({ isResumed }) => isResumed).slice(2)).toEqual([true, true, true]);
  expect(pair.begun[0]?.isResumed).toBe(false);
});

test('of a burst, as many as there are spares cost no round trip more, and the others one', async () => {
  const { agentSide, dialerSide } = await acquainted();
  const pair = new SealedPair(agentSide, { ...dialerSide, spareStreams: 2 });
  await pair.roundTripsUntil(hasReply(pair.dial()));
  await pair.settle();
  expect(pair.outer.spareStreams).toBe(2);
  const burst = Array.from({ length: 5 }, () => pair.dial());
  const trips = burst.map(() => 0);
  for (let trip = 1; trip <= 2; trip += 1) {
    await pair.roundTrip();
    burst.forEach((recorder, i) => {
      if (trips[i] === 0 && recorder.text === 'ready') trips[i] = trip;
    });
  }
  expect(trips).toEqual([1, 1, 2, 2, 2]);
});

test('without spares nothing is begun that nobody asked for', async () => {
  const { agentSide, dialerSide } = await acquainted();
  const pair = new SealedPair(agentSide, { ...dialerSide, spareStreams: 0 });
  await pair.roundTripsUntil(hasReply(pair.dial()));
  await pair.settle();
  expect([pair.begun.length, pair.dialer.streamCount]).toEqual([1, 1]);
});

test('a spare from before a change of keys is not used, and a ticket neither', async () => {
  const { agentSide, dialerSide, alice } = await acquainted();
  let peers = dialerSide.peers;
  const pair = new SealedPair(agentSide, { key: alice.pem, peers: () => peers });
  await pair.roundTripsUntil(hasReply(pair.dial()));
  await pair.settle();
  peers = `${peers}# changed\n`;
  const later = pair.dial();
  expect(await pair.roundTripsUntil(hasReply(later))).toBe(2);
  expect(pair.begun[2]?.isResumed).toBe(false);
  const stranger = await acquainted();
  peers = stranger.dialerSide.peers;
  const refused = pair.dial();
  await pair.roundTripsUntil(() => refused.error !== undefined);
  expect(refused.error).toMatchObject({ code: 'ERR_E2E' });
});

test('streams that have ended, cleanly or not, are kept by neither end', async () => {
  const { agentSide, dialerSide } = await acquainted();
  const pair = new SealedPair(agentSide, { ...dialerSide, spareStreams: 0 });
  const counts = () => [pair.ends.streamCount, pair.acceptor.streamCount];
  for (const leave of [
    (stream: ByteStream) => stream.end(),
    (stream: ByteStream) => stream.reset('ERR_ABORTED', 'enough'),
  ]) {
    const recorder = new Recorder();
    const stream = pair.streams.open(request, recorder, 10_000);
    await pair.roundTripsUntil(hasReply(recorder));
    expect(counts()).toEqual([1, 1]);
    leave(stream);
    await pair.settle();
    expect(counts()).toEqual([0, 0]);
  }
});

test('an agent keeps only so many streams that nobody has asked for anything', async () => {
  const { agentSide, dialerSide } = await acquainted();
  const pair = new SealedPair(agentSide, { ...dialerSide, spareStreams: 0 }, { maxWaitingPerSession: 3 });
  // Handshakes that are never finished: the dialer's second flight is not carried.
  const handlers = Array.from({ length: 5 }, () => new Recorder());
  for (const handler of handlers) pair.dialer.open({ e2e: 1 }, handler);
  await pair.settle();
  expect(handlers.map(({ events }) => events.at(-1))).toEqual([
    'accepted',
    'accepted',
    'accepted',
    'ERR_STREAM_LIMIT',
    'ERR_STREAM_LIMIT',
  ]);
});
