import { expect, test } from 'vitest';
import { decodeFrames, frameTypes, headroomBytes } from '../../src/protocol/frame.ts';
import { Random } from '../simulation/clock.ts';
import { Pair } from './pair.ts';

test('bytes written before the accept arrive with the open, and the reply comes back', () => {
  const pair = new Pair();
  const { stream, recorder } = pair.open({ host: 'db.internal', port: 5432 });
  stream.write(Buffer.from('hello'));
  pair.settle();
  expect(pair.agent.opened_[0]?.request).toEqual({ host: 'db.internal', port: 5432 });
  expect(pair.agent.target().text).toBe('hello');
  expect(recorder.events).toEqual(['accepted']);
  pair.agent.target().stream?.write(Buffer.from('world'));
  pair.settle();
  expect(recorder.text).toBe('world');
  expect(pair.carried.filter(({ from }) => from === 'dialer')[0]?.message.length).toBeLessThan(200);
});

test('each side half-closes on its own, and the stream ends cleanly when both have', () => {
  const pair = new Pair();
  const { stream, recorder } = pair.open();
  stream.write(Buffer.from('request'));
  stream.end();
  pair.settle();
  expect(pair.agent.target().events).toEqual(['end']);
  const reply = pair.agent.target().stream;
  reply?.write(Buffer.from('reply after the end'));
  pair.settle();
  expect(recorder.text).toBe('reply after the end');
  reply?.end();
  pair.pass(100);
  expect(recorder.events).toEqual(['accepted', 'end', 'closed']);
  expect(pair.agent.target().events).toEqual(['end', 'closed']);
  expect(pair.dialer.session.streamCount).toBe(0);
  expect(pair.agent.session.streamCount).toBe(0);
});

test('a reset reaches the other side with its code, and both forget the stream', () => {
  const pair = new Pair();
  const { stream, recorder } = pair.open();
  pair.settle();
  pair.agent.target().stream?.reset('ECONNREFUSED', 'connect ECONNREFUSED 127.0.0.1:80');
  pair.settle();
  expect(recorder.error).toMatchObject({
    code: 'ECONNREFUSED',
    message: 'connect ECONNREFUSED 127.0.0.1:80',
  });
  stream.write(Buffer.from('too late'));
  pair.settle();
  expect(pair.dialer.session.streamCount).toBe(0);
  expect(pair.agent.session.streamCount).toBe(0);
});

test('a stalled reader stops only its own stream', () => {
  const pair = new Pair();
  const stalled = pair.open();
  const live = pair.open();
  pair.settle();
  pair.agent.target(0).reads = false;
  let more = true;
  for (let i = 0; i < 64 && more; i += 1) more = stalled.stream.write(Buffer.alloc(65_536));
  expect(more).toBe(false);
  pair.pass(1000);
  const held = pair.agent.target(0).bytes;
  expect(held).toBe(262_144);
  for (let i = 0; i < 64; i += 1) {
    live.stream.write(Buffer.alloc(65_536, 1));
    pair.pass(30);
  }
  expect(pair.agent.target(1).bytes).toBe(64 * 65_536);
  expect(pair.agent.target(0).bytes).toBe(held);
});

test('a message lost anywhere is sent again', () => {
  const pair = new Pair();
  const random = new Random(7);
  let lost = 0;
  pair.carry = () => {
    const lose = random.chance(0.3);
    if (lose) lost += 1;
    return !lose;
  };
  const { stream, recorder } = pair.open();
  const wanted = Buffer.alloc(300_000, 7);
  stream.write(wanted);
  stream.end();
  pair.pass(60_000);
  expect(Buffer.concat(pair.agent.target().chunks).equals(wanted)).toBe(true);
  pair.agent.target().stream?.end();
  pair.pass(60_000);
  expect(recorder.events.filter((event) => event !== 'writable')).toEqual(['accepted', 'end', 'closed']);
  expect(pair.agent.opened_.length).toBe(1);
  expect(lost).toBeGreaterThan(5);
});

test('a whole segment goes out without being copied', () => {
  const pair = new Pair();
  const { stream } = pair.open();
  pair.settle();
  const segment = new Uint8Array(headroomBytes + 65_536);
  stream.writeSegment(segment, 65_536);
  const message = pair.dialer.session.pull();
  expect(message?.buffer).toBe(segment.buffer);
});

test('a new path is measured once, and ten times where bulk goes over it', () => {
  const pair = new Pair();
  const pings = () => {
    let count = 0;
    for (const { from, message } of pair.carried)
      if (from === 'dialer')
        decodeFrames(message, ({ type }) => {
          if (type === frameTypes.PING) count += 1;
        });
    return count;
  };
  const { stream } = pair.open();
  stream.write(Buffer.from('hello'));
  pair.settle();
  expect(pings()).toBe(1);
  for (let i = 0; i < 64; i += 1) {
    stream.write(Buffer.alloc(65_536, 1));
    pair.pass(30);
  }
  expect(pair.agent.target().bytes).toBe(5 + 64 * 65_536);
  expect(pings()).toBe(10);
});

test('a stream whose peer stays away fails after the resume window, not before', () => {
  const pair = new Pair({ resumeWindowMs: 5000 });
  const { recorder } = pair.open();
  pair.settle();
  pair.dialer.session.linkDown();
  pair.carry = () => false;
  pair.pass(4900);
  expect(recorder.error).toBeUndefined();
  pair.pass(300);
  expect(recorder.error?.code).toBe('ERR_RESUME_TIMEOUT');
  expect(pair.dialer.error?.code).toBe('ERR_RESUME_TIMEOUT');
});
