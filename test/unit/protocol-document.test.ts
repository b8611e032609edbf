import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { decodeControl } from '../../src/protocol/control.ts';
import { controlSession, readSession } from '../../src/protocol/envelope.ts';
import { closeCodes, wireCodes } from '../../src/protocol/errors.ts';
import { decodeFrames, type Frame, frameTypes, maxFramePayloadBytes } from '../../src/protocol/frame.ts';
import { initialWindowBytes, maxReasonBytes } from '../../src/protocol/limits.ts';
import { decodeAccept, decodeOpen } from '../../src/protocol/open.ts';

const document = readFileSync(new URL('../../docs/protocol.md', import.meta.url), 'utf8');

/** `**NAME**, what it says:` and the hexadecimal lines under it. */
function examples(): { name: string; says: string; message: Uint8Array }[] {
  const found = document.matchAll(/^\*\*([A-Z]+)\*\*, (.+):\n\n((?: {4}[0-9a-f ]+\n)+)/gm);
  return [...found].map(([, name = '', says = '', hex = '']) => ({
    name,
    says,
    message: Buffer.from(hex.replace(/\s/g, ''), 'hex'),
  }));
}

function decode(message: Uint8Array): Frame[] {
  const frames: Frame[] = [];
  decodeFrames(message, (frame) => frames.push({ ...frame }));
  return frames;
}

test('there is an example of every frame, and each decodes to that frame', () => {
  const shown = new Set<string>();
  for (const { name, says, message } of examples()) {
    const type = frameTypes[name as keyof typeof frameTypes];
    const types =
      readSession(message) === controlSession
        ? decodeControl(message).map((frame) => frame.type)
        : decode(message).map((frame) => frame.type);
    expect(types, says).toEqual([type]);
    shown.add(name);
  }
  expect([...shown].sort()).toEqual(Object.keys(frameTypes).sort());
});

test('the examples say what stands beside them', () => {
  const [open, accept, data, fin, credit] = examples()
    .slice(0, 5)
    .map(({ message }) => decode(message)[0] as Frame);
  expect(decodeOpen((open as Frame).payload)).toEqual({ host: 'db.internal', port: 5432 });
  expect(open?.argument).toBe(initialWindowBytes);
  expect(decodeAccept((accept as Frame).payload)).toEqual({
    address: '10.0.0.7',
    port: 5432,
    family: 'IPv4',
  });
  expect([data?.stream, data?.argument, Buffer.from(data?.payload ?? []).toString()]).toEqual([
    1,
    65_536,
    'hello',
  ]);
  expect([fin?.argument, credit?.argument]).toEqual([65_541, 524_288]);
});

test('the tables of frame types, codes and close codes are those of the code', () => {
  for (const [name, type] of Object.entries(frameTypes)) expect(document).toContain(`| ${type} | ${name} |`);
  for (const [name, code] of Object.entries(wireCodes))
    expect(document).toContain(`| ${code} | \`${name}\` |`);
  for (const code of Object.values(closeCodes)) expect(document).toContain(`| ${code} |`);
  for (const bytes of [maxFramePayloadBytes, initialWindowBytes]) {
    expect(document).toContain(bytes.toLocaleString('en-US'));
  }
  expect(document).toContain(`${maxReasonBytes} bytes of reason`);
});
