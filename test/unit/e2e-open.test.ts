// The mark on a stream whose target is named inside: what a session makes of it where nobody takes such streams.

import { expect, test } from 'vitest';
import { decodeOpen, encodeJson } from '../../src/protocol/open.ts';
import { Pair, Recorder } from './pair.ts';

test('an agent that takes no encrypted streams refuses one by its own code and keeps the session', () => {
  const pair = new Pair();
  const recorder = new Recorder();
  pair.dialer.session.open({ e2e: 1 }, recorder);
  const plain = pair.open();
  pair.settle();
  expect(recorder.events).toEqual(['ERR_E2E']);
  expect(plain.recorder.events).toEqual(['accepted']);
  expect(pair.agent.opened_).toHaveLength(1);
});

test('an OPEN names a target or says that it is named inside, never both', () => {
  expect(decodeOpen(encodeJson({ e2e: 1 }))).toEqual({ e2e: 1 });
  for (const wrong of [
    {},
    { e2e: 0 },
    { e2e: 256 },
    { e2e: '1' },
    { e2e: 1.5 },
    { e2e: true },
    { e2e: 1, host: 'a', port: 1 },
  ])
    expect(() => decodeOpen(encodeJson(wrong))).toThrow(expect.objectContaining({ code: 'ERR_PROTOCOL' }));
});
