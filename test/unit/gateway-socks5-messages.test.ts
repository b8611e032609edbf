import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import {
  type Parsed,
  readCredentials,
  readGreeting,
  readRequest,
} from '../../src/gateway/socks5-messages.ts';

const request = (...bytes: number[]): Uint8Array => Uint8Array.from([5, 1, 0, ...bytes]);
const name = (text: string): number[] => [3, text.length, ...Buffer.from(text, 'latin1')];

describe('a request says where to', () => {
  test.each<[string, Uint8Array, string, number]>([
    ['an IPv4 address', request(1, 10, 0, 0, 7, 0, 22), '10.0.0.7', 22],
    ['a name, left to the agent', request(...name('db.internal'), 0x1f, 0x90), 'db.internal', 8080],
    [
      'an IPv6 address',
      request(4, ...[0x20, 1, 0xd, 0xb8], ...new Array(11).fill(0), 1, 1, 187),
      '2001:db8::1',
      443,
    ],
    ['an address written as a name', request(...name('::1'), 0, 22), '::1', 22],
  ])('%s', (_, bytes, host, port) => {
    expect(readRequest(bytes)).toEqual({ kind: 'message', value: { host, port }, bytes: bytes.length });
  });
});

describe('a request that is none says why', () => {
  test.each<[string, Uint8Array, number]>([
    ['BIND', Uint8Array.from([5, 2, 0, 1]), 7],
    ['UDP ASSOCIATE', Uint8Array.from([5, 3, 0, 1]), 7],
    ['an unknown address type', request(2), 8],
    ['port 0', request(1, 10, 0, 0, 7, 0, 0), 1],
    ['an empty name', request(3, 0, 0, 22), 1],
    ['a name with a line break', request(...name('a\r\nb'), 0, 22), 1],
    ['an address with a part too many', request(...name('1.2.3.4.5'), 0, 22), 1],
    ['SOCKS4', Uint8Array.from([4, 1, 0, 22]), 1],
    ['a reserved byte that is used', Uint8Array.from([5, 1, 9, 1]), 1],
  ])('%s', (_, bytes, reply) => {
    expect(readRequest(bytes)).toMatchObject({ kind: 'malformed', reply });
  });
});

test('SOCKS4 and silence about methods are no greeting', () => {
  expect(readGreeting(Uint8Array.from([4]))).toMatchObject({ kind: 'malformed' });
  expect(readGreeting(Uint8Array.from([5, 0]))).toMatchObject({ kind: 'malformed' });
  expect(readCredentials(Uint8Array.from([5]))).toMatchObject({ kind: 'malformed' });
});

const readers: readonly [string, (bytes: Uint8Array) => Parsed<unknown>][] = [
  ['greeting', readGreeting],
  ['credentials', readCredentials],
  ['request', readRequest],
];

test.each(readers)(
  'whatever comes, a %s is the same in pieces as at once, and takes no byte beyond it',
  (_, read) => {
    const versions = fc.constantFrom(5, 1, 4, 0);
    const bytes = fc.oneof(
      fc.uint8Array({ maxLength: 600 }),
      fc
        .tuple(versions, fc.uint8Array({ maxLength: 600 }))
        .map(([first, rest]) => Uint8Array.from([first, ...rest])),
      fc.uint8Array({ maxLength: 300 }).map((rest) => request(3, rest.length, ...rest, 0, 22)),
    );
    fc.assert(
      fc.property(bytes, (all) => {
        const whole = read(all);
        for (let length = 0; length <= all.length; length += 1) {
          const part = read(all.subarray(0, length));
          // Once it is decided, more bytes do not change it.
          if (part.kind === 'more') continue;
          expect(part).toEqual(whole);
          if (part.kind === 'message') expect(length).toBe(part.bytes);
          return;
        }
        expect(whole.kind).toBe('more');
        // What never ends is bounded: no message has more than 513 bytes.
        expect(all.length).toBeLessThan(513);
      }),
      { numRuns: 500 },
    );
  },
);

test('a user and a password are read as they were written', () => {
  fc.assert(
    fc.property(fc.string({ maxLength: 60 }), fc.string({ maxLength: 60 }), (user, password) => {
      const part = (text: string): number[] => [Buffer.byteLength(text), ...Buffer.from(text)];
      const bytes = Uint8Array.from([1, ...part(user), ...part(password), 99]);
      expect(readCredentials(bytes)).toMatchObject({ kind: 'message', value: { user, password } });
    }),
  );
});
