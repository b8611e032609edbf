import { expect, test } from 'vitest';
import { writeSession } from '../../src/protocol/envelope.ts';
import { wireCodes } from '../../src/protocol/errors.ts';
import { frameTypes, writeFrameHeader, writeU64 } from '../../src/protocol/frame.ts';
import { maxCreditBytes } from '../../src/protocol/limits.ts';
import { Pair, sessionId } from './pair.ts';

interface Raw {
  type: number;
  stream?: number;
  argument?: number;
  payload?: Uint8Array;
}

function message(...frames: Raw[]): Uint8Array {
  const bytes = new Uint8Array(8 + frames.reduce((sum, { payload }) => sum + 16 + (payload?.length ?? 0), 0));
  writeSession(bytes, sessionId);
  let at = 8;
  for (const { type, stream = 0, argument = 0, payload = new Uint8Array() } of frames) {
    writeFrameHeader(bytes, at, type, payload.length, stream, argument);
    bytes.set(payload, at + 16);
    at += 16 + payload.length;
  }
  return bytes;
}

function u64(...values: number[]): Uint8Array {
  const bytes = new Uint8Array(values.length * 8);
  values.forEach((value, index) => {
    writeU64(bytes, index * 8, value);
  });
  return bytes;
}

const json = (value: unknown) => Buffer.from(JSON.stringify(value));
const hello: Raw = { type: frameTypes.SYNC };
const open = (stream: number, port = 80): Raw => ({
  type: frameTypes.OPEN,
  stream,
  argument: 262_144,
  payload: json({ host: 'target', port }),
});

/** A pair with one stream that works and one that is about to be abused. */
function pairWithNeighbour() {
  const pair = new Pair();
  const neighbour = pair.open();
  const victim = pair.open();
  pair.settle();
  return {
    pair,
    victim,
    neighbourStillWorks() {
      neighbour.stream.write(Buffer.from('still here'));
      pair.pass(50);
      expect(pair.agent.target(0).text).toBe('still here');
      expect(pair.agent.error).toBeUndefined();
      expect(pair.dialer.error).toBeUndefined();
    },
  };
}

const streamFaults: [string, string, (stream: number) => Raw][] = [
  [
    'data beyond credit',
    'ERR_FLOW_CONTROL',
    (stream) => ({ type: frameTypes.DATA, stream, argument: 262_144, payload: Buffer.alloc(1) }),
  ],
  [
    'a FIN beyond credit',
    'ERR_FLOW_CONTROL',
    (stream) => ({ type: frameTypes.FIN, stream, argument: 262_145 }),
  ],
  [
    'credit over the maximum',
    'ERR_FLOW_CONTROL',
    (stream) => ({ type: frameTypes.CREDIT, stream, argument: maxCreditBytes * 4, payload: u64(0) }),
  ],
  [
    'an acknowledgement of what was never sent',
    'ERR_PROTOCOL',
    (stream) => ({ type: frameTypes.CREDIT, stream, argument: 300_000, payload: u64(1) }),
  ],
  [
    'a SYNC about what was never sent',
    'ERR_PROTOCOL',
    (stream) => ({
      type: frameTypes.SYNC,
      stream,
      argument: 5,
      payload: Buffer.concat([u64(0, 0), Buffer.alloc(1)]),
    }),
  ],
];

for (const [what, code, frame] of streamFaults) {
  test(`${what} ends that stream with ${code} at both ends, and no other`, () => {
    const { pair, victim, neighbourStillWorks } = pairWithNeighbour();
    pair.agent.session.receive(message(frame(victim.stream.id)));
    pair.settle();
    expect(pair.agent.target(1).error?.code).toBe(code);
    expect(victim.recorder.error?.code).toBe(code);
    neighbourStillWorks();
  });
}

test('a FIN before bytes that came, or a second one elsewhere, ends that stream only', () => {
  for (const offsets of [[2], [4, 9]]) {
    const { pair, victim, neighbourStillWorks } = pairWithNeighbour();
    victim.stream.write(Buffer.from('four'));
    pair.settle();
    for (const argument of offsets) {
      pair.agent.session.receive(message({ type: frameTypes.FIN, stream: victim.stream.id, argument }));
    }
    pair.settle();
    expect(pair.agent.target(1).error?.code).toBe('ERR_PROTOCOL');
    neighbourStillWorks();
  }
});

const sessionFaults: [string, Uint8Array][] = [
  ['an empty message', message()],
  ['a header cut short', message(hello).subarray(0, 20)],
  ['a payload cut short', message(open(9)).subarray(0, 30)],
  [
    'an offset over 2^53',
    Buffer.from('0123456789abcdef' + '03000000' + '00000001' + 'ffffffffffffffff', 'hex'),
  ],
  [
    'a payload over the frame limit',
    Buffer.concat([
      Buffer.from('0123456789abcdef' + '03010001' + '00000001' + '0000000000000000', 'hex'),
      Buffer.alloc(65_537),
    ]),
  ],
  ['an OPEN that is not JSON', message({ ...open(9), payload: Buffer.from('{') })],
  ['an OPEN to port 0', message(open(9, 0))],
  ['an ACCEPT from a dialer', message({ type: frameTypes.ACCEPT, stream: 1 })],
  ['a CREDIT without its payload', message({ type: frameTypes.CREDIT, stream: 1 })],
  ['a SYNC cut short', message({ type: frameTypes.SYNC, stream: 1, payload: u64(0) })],
];

for (const [what, bytes] of sessionFaults) {
  test(`${what} ends the session with ERR_PROTOCOL, and the peer hears why`, () => {
    const { pair, victim } = pairWithNeighbour();
    pair.agent.session.receive(bytes);
    expect(pair.agent.error?.code).toBe('ERR_PROTOCOL');
    pair.settle();
    expect(pair.dialer.error?.code).toBe('ERR_PROTOCOL');
    expect(victim.recorder.error?.code).toBe('ERR_PROTOCOL');
  });
}

test('unknown frame types are skipped by their length', () => {
  const pair = new Pair();
  pair.agent.session.receive(
    message(
      hello,
      { type: 200, stream: 0, payload: Buffer.alloc(99) },
      { type: 31, stream: 1, payload: Buffer.alloc(3) },
      open(77, 8080),
    ),
  );
  expect(pair.agent.opened_.at(-1)?.request.port).toBe(8080);
  expect(pair.agent.error).toBeUndefined();
});

test('an OPEN that comes twice is dialled once, also after its stream has ended', () => {
  const pair = new Pair();
  pair.agent.session.receive(message(hello, open(1), open(1)));
  expect(pair.agent.opened_.length).toBe(1);
  pair.agent.session.receive(message({ type: frameTypes.RESET, stream: 1, argument: wireCodes.ERR_ABORTED }));
  expect(pair.agent.target().error?.code).toBe('ERR_ABORTED');
  pair.agent.session.receive(message(open(1)));
  expect(pair.agent.opened_.length).toBe(1);
});

test('data that overlaps what came already adds only what is new', () => {
  const pair = new Pair();
  const data = (argument: number, text: string): Raw => ({
    type: frameTypes.DATA,
    stream: 1,
    argument,
    payload: Buffer.from(text),
  });
  pair.agent.session.receive(
    message(hello, open(1), data(0, 'hello'), data(3, 'lo wor'), data(0, 'hello'), data(8, 'rld')),
  );
  expect(pair.agent.target().text).toBe('hello world');
});

test('ids far apart neither hang nor forget what was dialled', () => {
  const pair = new Pair();
  pair.agent.session.receive(message(hello, open(1), open(0xffff_fffe), open(1), open(0xffff_fffe), open(2)));
  expect(pair.agent.opened_.length).toBe(2);
});

test('credit that goes backwards is ignored', () => {
  const { pair, victim, neighbourStillWorks } = pairWithNeighbour();
  pair.dialer.session.receive(
    message({ type: frameTypes.CREDIT, stream: victim.stream.id, argument: 1, payload: u64(0) }),
  );
  victim.stream.write(Buffer.alloc(100_000));
  pair.settle();
  expect(pair.agent.target(1).bytes).toBe(100_000);
  neighbourStillWorks();
});

test('streams over the limit are refused with ERR_STREAM_LIMIT and the others go on', () => {
  const pair = new Pair({}, { maxStreams: 2 });
  const streams = [pair.open(), pair.open(), pair.open()];
  pair.settle();
  expect(streams.map(({ recorder }) => recorder.error?.code)).toEqual([
    undefined,
    undefined,
    'ERR_STREAM_LIMIT',
  ]);
  expect(pair.agent.opened_.length).toBe(2);
  expect(() => new Pair({ maxStreams: 1 }).open()).not.toThrow();
});

test('a flood of OPEN and RESET ends the session with ERR_RATE_LIMIT and leaves nothing behind', () => {
  const pair = new Pair({}, { maxOpensPerSecond: 1000, maxResetsPerSecond: 100 });
  pair.agent.session.receive(message(hello));
  let sent = 0;
  for (let id = 1; id <= 500 && pair.agent.error === undefined; id += 1) {
    pair.agent.session.receive(
      message(open(id), { type: frameTypes.RESET, stream: id, argument: wireCodes.ERR_ABORTED }),
    );
    sent = id;
  }
  expect(sent).toBe(101);
  expect(pair.agent.error?.code).toBe('ERR_RATE_LIMIT');
  expect(pair.agent.session.streamCount).toBe(0);
});

test('frames for streams that are gone are answered from a bounded table', () => {
  const pair = new Pair();
  pair.agent.session.receive(message(hello));
  for (let id = 1; id <= 5000; id += 1) {
    pair.agent.session.receive(
      message({ type: frameTypes.RESET, stream: id, argument: wireCodes.ERR_ABORTED }),
    );
  }
  let bytes = 0;
  for (let out = pair.agent.session.pull(); out !== undefined; out = pair.agent.session.pull())
    bytes += out.length;
  expect(bytes).toBeGreaterThan(1024 * 16);
  expect(bytes).toBeLessThan(1100 * 16);
});

test('what nobody reads is bounded over all streams of a session', () => {
  const pair = new Pair({}, { maxBufferedBytes: 600_000 });
  const streams = [pair.open(), pair.open(), pair.open()];
  pair.settle();
  for (let n = 0; n < 3; n += 1) pair.agent.target(n).reads = false;
  for (const { stream } of streams) stream.write(Buffer.alloc(262_144));
  pair.pass(10);
  expect(streams.filter(({ recorder }) => recorder.error?.code === 'ERR_BUFFER_LIMIT').length).toBe(1);
  expect(pair.agent.error).toBeUndefined();
});

test('a reason from a peer cannot forge a log line', () => {
  const { pair, victim } = pairWithNeighbour();
  pair.dialer.session.receive(
    message({
      type: frameTypes.RESET,
      stream: victim.stream.id,
      argument: wireCodes.ETIMEDOUT,
      payload: Buffer.from('a\n{"level":60}\u001b[2J'),
    }),
  );
  expect(victim.recorder.error?.message).toBe('a {"level":60} [2J');
});
