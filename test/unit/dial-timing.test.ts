// What an agent says of the time that a dial took: optional, and held to its range.

import { expect, test } from 'vitest';
import { decodeAccept, encodeJson, microseconds } from '../../src/protocol/open.ts';

const remote = { address: '127.0.0.1', port: 22, family: 'IPv4' as const };

test('an agent of before the figure says none, and nothing is wrong', () => {
  expect(decodeAccept(encodeJson(remote)).timing).toBeUndefined();
  expect(decodeAccept(encodeJson({ ...remote, timing: undefined }))).toEqual(remote);
});

test.each([
  { agentUs: -1, targetUs: 1 },
  { agentUs: 0.5, targetUs: 1 },
  { agentUs: 1, targetUs: 600_000_001 },
  { agentUs: 1 },
  { agentUs: '1', targetUs: 1 },
  [],
])('a time that is none is refused: %j', (timing) => {
  expect(() => decodeAccept(encodeJson({ ...remote, timing }))).toThrowError(
    expect.objectContaining({ code: 'ERR_PROTOCOL' }),
  );
});

test('whatever a clock does, what is said is within the range', () => {
  for (const ms of [-5, 0, 0.0004, 12.3456, 3_600_000, Number.MAX_SAFE_INTEGER]) {
    const timing = { agentUs: microseconds(ms), targetUs: microseconds(ms) };
    expect(decodeAccept(encodeJson({ ...remote, timing })).timing).toEqual(timing);
  }
});
