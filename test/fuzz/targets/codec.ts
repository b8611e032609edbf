// Frames, control messages and their payloads: what is taken can be written again to the same bytes, and what is not
// is refused with ERR_PROTOCOL.

import { readControl } from '../../../src/broker/control-reader.ts';
import {
  attachedSchema,
  attachSchema,
  decodeControl,
  helloSchema,
  parsePayload,
  reasonSchema,
  reauthSchema,
} from '../../../src/protocol/control.ts';
import { readSession, writeSession } from '../../../src/protocol/envelope.ts';
import { decodeFrames, writeFrameHeader } from '../../../src/protocol/frame.ts';
import { decodeAccept, decodeOpen, decodeReason, encodeReason } from '../../../src/protocol/open.ts';
import { promise, refusing } from '../target.ts';

const schemas = [helloSchema, attachSchema, attachedSchema, reasonSchema, reauthSchema] as const;

/** As its type would have it; types that there are not choose a schema, too. */
function readPayload(type: number, payload: Uint8Array): void {
  const schema = schemas[type % 8];
  if (schema !== undefined) parsePayload(schema, payload);
  else if (type % 8 === 5) decodeOpen(payload);
  else if (type % 8 === 6) decodeAccept(payload);
  else {
    const reason = decodeReason(payload, 256);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: there must be none
    promise(!/[\u0000-\u001f\u007f-\u009f]/.test(reason), 'a reason has no control characters');
    promise(encodeReason(reason, 256).length <= 256, 'a reason has a longest length');
  }
}

export function fuzz(data: Buffer): void {
  const again = Buffer.alloc(data.length);
  let at = 8;
  const isWhole = refusing(() => {
    decodeFrames(data, ({ type, stream, argument, payload }) => {
      promise(argument >= 0 && Number.isSafeInteger(argument), 'an argument is a whole number');
      writeFrameHeader(again, at, type, payload.length, stream, argument);
      again.set(payload, at + 16);
      at += 16 + payload.length;
      refusing(() => readPayload(type, payload), 'ERR_PROTOCOL');
    });
    return true;
  }, 'ERR_PROTOCOL');
  if (isWhole === true) {
    writeSession(again, readSession(data) ?? 0n);
    promise(at === data.length && again.equals(data), 'what was read can be written again');
  }
  refusing(() => {
    let bytes = 8;
    for (const { payload } of decodeControl(data)) bytes += 16 + payload.length;
    promise(bytes === data.length, 'control frames fill their message');
  }, 'ERR_PROTOCOL');
  for (const kind of ['dial', 'agent'] as const)
    refusing(() => readControl(kind, data, () => {}), 'ERR_PROTOCOL');
}
