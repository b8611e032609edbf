import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { AllowList } from '../../src/agent/allow.ts';
import { FairleadError } from '../../src/protocol/errors.ts';

/** rule, host asked for, address it resolved to, port, allowed */
const cases: [string, string, string, number, boolean][] = [
  ['127.0.0.1:22', '127.0.0.1', '127.0.0.1', 22, true],
  ['127.0.0.1:22', '127.0.0.1', '127.0.0.1', 23, false],
  ['127.0.0.1:22', '127.0.0.2', '127.0.0.2', 22, false],
  ['127.0.0.1:22', 'localhost', '127.0.0.1', 22, true],
  ['127.0.0.1:22', '::ffff:127.0.0.1', '::ffff:127.0.0.1', 22, true],
  ['10.0.0.0/24:8000-8100', '10.0.0.7', '10.0.0.7', 8050, true],
  ['10.0.0.0/24:8000-8100', '10.0.0.7', '10.0.0.7', 8101, false],
  ['10.0.0.0/24:8000-8100', '10.0.1.7', '10.0.1.7', 8050, false],
  ['10.0.0.0/24:*', 'db.internal', '10.0.0.9', 5432, true],
  ['10.0.0.0/24:*', 'db.internal', '10.9.0.9', 5432, false],
  ['db.internal:5432', 'db.internal', '10.9.0.9', 5432, true],
  ['db.internal:5432', 'DB.Internal.', '10.9.0.9', 5432, true],
  ['db.internal:5432', 'other.internal', '10.9.0.9', 5432, false],
  ['db.internal:5432', '10.9.0.9', '10.9.0.9', 5432, false],
  ['*.internal:443', 'a.internal', '10.0.0.1', 443, true],
  ['*.internal:443', 'a.b.internal', '10.0.0.1', 443, true],
  ['*.internal:443', 'internal', '10.0.0.1', 443, false],
  ['*.internal:443', 'evilinternal', '10.0.0.1', 443, false],
  ['*:443', 'anything.example', '203.0.113.9', 443, true],
  ['*:443', 'anything.example', '203.0.113.9', 80, false],
  ['[::1]:22', '::1', '::1', 22, true],
  ['[::1]:22', '[::1]', '::1', 22, true],
  ['[fd00::/8]:80', 'fd12::1', 'fd12::1', 80, true],
  ['[fd00::/8]:80', '2001:db8::1', '2001:db8::1', 80, false],
  // The metadata ranges open only to a rule that names them.
  ['*:80', '169.254.169.254', '169.254.169.254', 80, false],
  ['*:80', 'metadata.example', '169.254.169.254', 80, false],
  ['metadata.example:80', 'metadata.example', '169.254.169.254', 80, false],
  ['0.0.0.0/0:80', '169.254.169.254', '169.254.169.254', 80, false],
  ['169.254.169.254:80', '169.254.169.254', '169.254.169.254', 80, true],
  ['169.254.0.0/16:80', 'metadata.example', '169.254.169.254', 80, true],
  ['*:80', 'x', '::ffff:169.254.169.254', 80, false],
  ['*:80', 'x', 'fe80::1', 80, false],
  ['[fe80::/10]:80', 'x', 'fe80::1', 80, true],
  ['[::/0]:80', 'x', 'fd00:ec2::254', 80, false],
  ['*:80', 'x', '0.0.0.0', 80, false],
  ['*:80', 'x', '::', 80, false],
  ['*:80', 'x', '224.0.0.1', 80, false],
  ['*:80', 'x', 'ff02::1', 80, false],
  ['*:80', 'x', '255.255.255.255', 80, false],
  ['*:80', 'x', 'fe80::1%eth0', 80, false],
  ['*:80', 'x', '127.1', 80, false],
  ['*:80', 'x', '0177.0.0.1', 80, false],
  ['*:80', 'x', 'not an address', 80, false],
];

describe('the allow list', () => {
  test.each(cases)('%s: %s at %s port %i → %s', (rule, host, address, port, allowed) => {
    expect(new AllowList([rule]).allowsAddress(host, address, port)).toBe(allowed);
  });

  test('an empty list allows nothing', () => {
    expect(new AllowList([]).allowsAddress('127.0.0.1', '127.0.0.1', 22)).toBe(false);
    expect(new AllowList([]).mayAllow('127.0.0.1', 22)).toBe(false);
  });
});

test.each([
  ['127.0.0.1', 'no port'],
  [':22', 'no port'],
  ['', 'no port'],
  ['host:', 'port is not'],
  ['host:0', 'port is not'],
  ['host:65536', 'port is not'],
  ['host:22-', 'port is not'],
  ['host:80-22', 'backwards'],
  ['host:ssh', 'port is not'],
  ['::1:22', 'brackets'],
  ['[nonsense]:22', 'not an IPv6 address'],
  ['10.0.0.0/33:22', 'range is malformed'],
  ['10.0.0/8:22', 'range is malformed'],
  ['[fd00::/129]:22', 'range is malformed'],
  ['10.0.0:22', 'neither a name'],
  ['999.0.0.1:22', 'neither a name'],
  ['a b:22', 'neither a name'],
  ['*.*:22', 'neither a name'],
  ['-x:22', 'neither a name'],
])('the rule "%s" is refused: %s', (text, why) => {
  expect(() => new AllowList([text])).toThrow(FairleadError);
  expect(() => new AllowList([text])).toThrow(why);
});

test('any text is a rule or a typed error, and no rule but * and names lets an address in by accident', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 40 }), (text) => {
      try {
        new AllowList([`${text}:80`]).allowsAddress('x', '203.0.113.1', 80);
      } catch (error) {
        expect(error).toMatchObject({ code: 'ERR_CONFIG' });
      }
    }),
    { numRuns: 2000 },
  );
});
