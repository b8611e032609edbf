import fc from 'fast-check';
import { expect, test } from 'vitest';
import { decodeControl, encodeControl, helloSchema, parsePayload } from '../../src/protocol/control.ts';
import { formatSession, parseSession, readSession, writeSession } from '../../src/protocol/envelope.ts';
import { FairleadError } from '../../src/protocol/errors.ts';
import {
  decodeFrames,
  type Frame,
  frameTypes,
  maxFramePayloadBytes,
  writeFrameHeader,
} from '../../src/protocol/frame.ts';
import { SeenIds } from '../../src/protocol/seen-ids.ts';
import { Pair, sessionId } from './pair.ts';

const anyFrame = fc.record({
  type: fc.integer({ min: 0, max: 255 }),
  stream: fc.integer({ min: 0, max: 0xffff_ffff }),
  argument: fc.maxSafeNat(),
  payload: fc.uint8Array({ maxLength: 300 }),
});
const anySession = fc.bigInt({ min: 0n, max: 0xffff_ffff_ffff_ffffn });

function encode(session: bigint, frames: readonly Frame[]): Uint8Array {
  const message = new Uint8Array(8 + frames.reduce((sum, { payload }) => sum + 16 + payload.length, 0));
  writeSession(message, session);
  let at = 8;
  for (const { type, stream, argument, payload } of frames) {
    writeFrameHeader(message, at, type, payload.length, stream, argument);
    message.set(payload, at + 16);
    at += 16 + payload.length;
  }
  return message;
}

function decode(message: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  decodeFrames(message, (frame) => frames.push({ ...frame, payload: frame.payload.slice() }));
  return frames;
}

test('any frames come out of the codec as they went in', () => {
  fc.assert(
    fc.property(anySession, fc.array(anyFrame, { minLength: 1, maxLength: 20 }), (session, frames) => {
      const message = encode(session, frames);
      expect(readSession(message)).toBe(session);
      expect(decode(message)).toEqual(frames);
    }),
  );
});

test('any bytes decode or throw the typed error, and nothing is allocated for them', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 600 }), (bytes) => {
      for (const read of [decode, decodeControl, (b: Uint8Array) => parsePayload(helloSchema, b)]) {
        try {
          read(bytes);
        } catch (error) {
          expect(error).toBeInstanceOf(FairleadError);
          expect((error as FairleadError).code).toBe('ERR_PROTOCOL');
        }
      }
    }),
    { numRuns: 2000 },
  );
});

test('a payload is a view of its message, whatever length it claims', () => {
  const message = encode(1n, [{ type: 3, stream: 1, argument: 0, payload: new Uint8Array(1000) }]);
  decodeFrames(message, ({ payload }) => expect(payload.buffer).toBe(message.buffer));
  const lying = message.slice();
  lying[9] = 0xff;
  expect(() => decode(lying)).toThrow(FairleadError);
  expect(maxFramePayloadBytes).toBe(65_536);
});

test('session ids are written as 16 digits and read back; 0 is nobody', () => {
  fc.assert(
    fc.property(anySession, (session) => {
      expect(parseSession(formatSession(session))).toBe(session === 0n ? undefined : session);
    }),
  );
  for (const text of ['', '0', 'xyz', '0123456789abcdeF', '0123456789abcdef0'])
    expect(parseSession(text)).toBeUndefined();
});

test('control messages keep all 64 bits of the session that they are about', () => {
  fc.assert(
    fc.property(anySession, fc.string({ maxLength: 50 }), (session, reason) => {
      const [frame] = decodeControl(encodeControl(frameTypes.DETACH, session, { reason }));
      expect(frame?.session).toBe(session);
      expect(JSON.parse(Buffer.from(frame?.payload ?? []).toString())).toEqual({ reason });
    }),
  );
});

test('seen ids answer as a set would, but for ids too far below the highest', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 1, max: 200_000 }), { maxLength: 200 }), (ids) => {
      const seen = new SeenIds();
      const model = new Set<number>();
      let highest = 0;
      for (const id of ids) {
        seen.add(id);
        model.add(id);
        highest = Math.max(highest, id);
      }
      for (const id of [...ids, ...ids.map((n) => n + 1), ...ids.map((n) => n - 1)]) {
        if (id < 1) continue;
        expect(seen.has(id)).toBe(model.has(id) || id <= highest - 32_768);
      }
    }),
  );
});

test('any messages at all leave an agent whole: its session at most ends', () => {
  const frame = fc.record({
    type: fc.oneof(fc.constantFrom(...Object.values(frameTypes)), fc.integer({ min: 0, max: 255 })),
    stream: fc.oneof(fc.integer({ min: 0, max: 4 }), fc.integer({ min: 0, max: 0xffff_ffff })),
    argument: fc.oneof(fc.integer({ min: 0, max: 400_000 }), fc.maxSafeNat()),
    payload: fc.oneof(
      fc.constant(new TextEncoder().encode('{"host":"h","port":1}')),
      fc.uint8Array({ maxLength: 40 }),
      fc.constant(new Uint8Array(17)),
    ),
  });
  let ended = 0;
  let survived = 0;
  fc.assert(
    fc.property(fc.array(fc.array(frame, { minLength: 1, maxLength: 6 }), { maxLength: 30 }), (messages) => {
      const pair = new Pair();
      const start = { type: frameTypes.SYNC, stream: 0, argument: 0, payload: new Uint8Array() };
      pair.agent.session.receive(encode(sessionId, [start]));
      for (const frames of messages) {
        pair.agent.session.receive(encode(sessionId, frames));
        for (let n = 0; n < 100 && pair.agent.session.pull() !== undefined; n += 1);
        pair.clock.now += 100;
        pair.agent.session.advance();
      }
      if (pair.agent.error === undefined) survived += 1;
      else ended += 1;
      expect(pair.agent.session.streamCount).toBeLessThanOrEqual(messages.length * 6);
      pair.agent.session.close('ERR_ABORTED', 'done');
      expect(pair.agent.session.bufferedBytes).toBe(0);
      expect(pair.agent.session.inFlightBytes).toBe(0);
    }),
    { numRuns: 1000 },
  );
  expect(ended).toBeGreaterThan(50);
  expect(survived).toBeGreaterThan(50);
});

test('whatever is written in whatever pieces, lost or not, is what is read', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 3000 }), { maxLength: 30 }),
      fc.array(fc.boolean(), { maxLength: 60 }),
      (pieces, losses) => {
        const pair = new Pair();
        const { stream } = pair.open();
        pair.settle();
        let message = 0;
        pair.carry = () => {
          message += 1;
          return losses[message - 1] !== true;
        };
        for (const piece of pieces) {
          stream.write(piece);
          pair.pass(5);
        }
        stream.end();
        pair.pass(120_000);
        expect(Buffer.concat(pair.agent.target().chunks).equals(Buffer.concat(pieces))).toBe(true);
        expect(pair.agent.target().events).toContain('end');
      },
    ),
    { numRuns: 200 },
  );
});
