// The node owner's rules for some principals and not for others.

import { expect, test } from 'vitest';
import { OwnerRules } from '../../src/agent/owner-rules.ts';

function allows(rules: readonly string[], principal: string, port = 22): boolean {
  return new OwnerRules(rules).forDialer(principal).allowsAddress('127.0.0.1', '127.0.0.1', port);
}

test.each<[string[], string, boolean]>([
  [['127.0.0.1:22'], 'anyone', true],
  [['127.0.0.1:22;sub=ci-*'], 'ci-7', true],
  [['127.0.0.1:22;sub=ci-*'], 'ci', false],
  [['127.0.0.1:22;sub=ci-*'], 'not-ci-7', false],
  [['127.0.0.1:22;sub=ci-*'], 'ci-7:root', false],
  [['127.0.0.1:22;sub=alice'], 'alice', true],
  [['127.0.0.1:22;sub=alice'], 'Alice', false],
  [['127.0.0.1:22;sub=alice;sub=bob'], 'bob', true],
  [['127.0.0.1:22; sub=alice'], 'alice', true],
  [['127.0.0.1:22;sub=alice'], 'mallory', false],
  [['127.0.0.1:22;sub=*'], 'anyone:at:all', true],
  [['*:*;sub=system:serviceaccount:ops:*'], 'system:serviceaccount:ops:shell', true],
  [['*:*;sub=system:serviceaccount:ops:*'], 'system:serviceaccount:other:shell', false],
  [['*:*;sub=root', '127.0.0.1:22;sub=ci-*'], 'ci-7', true],
  [['*:*;sub=root', '127.0.0.1:23'], 'ci-7', false],
  [[], 'anyone', false],
])('rules %j let %s in: %s', (rules, principal, expected) => {
  expect(allows(rules, principal)).toBe(expected);
});

test.each([
  ['127.0.0.1:22;', 'for whom'],
  ['127.0.0.1:22;sub', 'for whom'],
  ['127.0.0.1:22;sub=', 'for whom'],
  ['127.0.0.1:22;user=alice', 'for whom'],
  ['127.0.0.1:22;sub=a b', 'for whom'],
  [`127.0.0.1:22;sub=${'x'.repeat(513)}`, 'for whom'],
  ['127.0.0.1:22;sub=alice;', 'for whom'],
  [';sub=alice', 'no port'],
  ['127.0.0.1;sub=alice', 'no port'],
])('the rule "%s" is refused before anybody comes', (rule, why) => {
  expect(() => new OwnerRules(['127.0.0.1:1', rule])).toThrowError(
    expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining(why) }),
  );
});
