// Messages that a hostile relay makes up: any bytes, any frame, and frames about a stream that lives, which say what
// cannot be, or what just could.

import { writeSession } from '../../src/protocol/envelope.ts';
import { frameTypes, writeFrameHeader, writeU64 } from '../../src/protocol/frame.ts';
import type { Stream } from '../../src/protocol/stream.ts';
import type { Script } from './script.ts';

const text = (value: string) => new TextEncoder().encode(value);
const none = new Uint8Array();
const target = text('{"host":"a","port":1}');
const remote = text('{"address":"127.0.0.1","port":80,"family":"IPv4"}');
/** More than any honest offset of a simulation. */
const far = 2 ** 40;

export function forgedBytes(session: bigint, read: Script): Uint8Array {
  return message(session, read.bytes(read.byte()));
}

export function forgedFrame(session: bigint, read: Script): Uint8Array {
  const type = read.byte() % 12;
  const stream = read.byte() % 8;
  const argument = read.pick([0, 1, read.byte(), read.byte() * 1024, 262_144, 2 ** 30, 2 ** 53 - 1]);
  return frame(session, type, stream, argument, read.bytes(read.byte()));
}

/** `stream` is the other end's, so that what it has sent and received is known. */
export function forgedAbout(
  session: bigint,
  stream: Stream | undefined,
  read: Script,
): Uint8Array | undefined {
  if (stream === undefined) return undefined;
  const offset = Math.max(0, stream.send.end + read.pick([0, 1, 5, -1, 300_000]));
  const credit = new Uint8Array(8);
  const sync = new Uint8Array(17);
  for (const payload of [credit, sync]) writeU64(payload, 0, read.pick([offset, far, 0]));
  writeU64(sync, 8, offset);
  sync[16] = read.byte() % 4;
  const [type, argument, payload] = read.pick<readonly [number, number, Uint8Array]>([
    [frameTypes.DATA, offset, new Uint8Array(1 + read.byte())],
    [frameTypes.DATA, 0, none],
    [frameTypes.FIN, offset, none],
    [frameTypes.FIN, 0, none],
    [frameTypes.FIN, far, none],
    [frameTypes.CREDIT, 262_144, credit],
    [frameTypes.CREDIT, far, credit],
    [frameTypes.CREDIT, 0, new Uint8Array(3)],
    [frameTypes.SYNC, Math.max(0, stream.receive.received - (read.byte() % 3)), sync],
    [frameTypes.SYNC, far, sync],
    [frameTypes.SYNC, 0, new Uint8Array(9)],
    [frameTypes.ACCEPT, 262_144, remote],
    [frameTypes.ACCEPT, far * 2, remote],
    [frameTypes.ACCEPT, 0, text('{')],
    [frameTypes.OPEN, 262_144, target],
    [frameTypes.OPEN, far, target],
    [frameTypes.OPEN, 262_144, text('{"e2e":1}')],
    [frameTypes.OPEN, 0, text('{"port":0}')],
    [frameTypes.RESET, read.pick([0, 1, 2, 12, 999]), text('a reason')],
    [frameTypes.RESET, 1, none],
    [frameTypes.GOAWAY, read.byte() % 40, text('a reason')],
    [frameTypes.SYNC, read.byte() % 2, none],
    [frameTypes.PING, 0, none],
    [frameTypes.PONG, read.byte() % 3, none],
    // Of a later version.
    [200, 0, text('unheard of')],
  ]);
  const id = read.pick([stream.id, stream.id, stream.id, stream.id, 0, 70, 5000]);
  return frame(session, type, id, argument, payload);
}

function frame(
  session: bigint,
  type: number,
  stream: number,
  argument: number,
  payload: Uint8Array,
): Uint8Array {
  const body = new Uint8Array(16 + payload.length);
  writeFrameHeader(body, 0, type, payload.length, stream, argument);
  body.set(payload, 16);
  return message(session, body);
}

function message(session: bigint, body: Uint8Array): Uint8Array {
  const whole = new Uint8Array(8 + body.length);
  writeSession(whole, session);
  whole.set(body, 8);
  return whole;
}
