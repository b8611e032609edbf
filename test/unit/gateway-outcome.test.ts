import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseAuthority } from '../../src/gateway/authority.ts';
import { acceptsBasic, parseCredentials } from '../../src/gateway/credentials.ts';
import { refusal } from '../../src/gateway/http-answer.ts';
import { outcomeOf } from '../../src/gateway/outcome.ts';
import { type ErrorCode, FairleadError } from '../../src/protocol/errors.ts';

test.each<[ErrorCode, number, number]>([
  ['ERR_CONFIG', 400, 1],
  ['ERR_GRANT_DENIED', 403, 2],
  ['ERR_TARGET_DENIED', 403, 2],
  ['ERR_FORBIDDEN', 403, 2],
  ['ERR_NODE_UNREACHABLE', 404, 4],
  ['ECONNREFUSED', 502, 5],
  ['ENOTFOUND', 502, 4],
  ['EHOSTUNREACH', 502, 4],
  ['ENETUNREACH', 502, 3],
  ['ECONNRESET', 502, 1],
  ['ERR_BROKER_UNREACHABLE', 503, 1],
  ['ERR_DRAINING', 503, 1],
  ['ERR_STREAM_LIMIT', 503, 1],
  ['ERR_RATE_LIMIT', 503, 1],
  ['ERR_UNAUTHORIZED', 503, 1],
  ['ETIMEDOUT', 504, 6],
  ['ERR_RESUME_TIMEOUT', 504, 6],
])('%s is %i over HTTP and reply %i over SOCKS5', (code, status, socksReply) => {
  expect(outcomeOf(new FairleadError(code, 'why'))).toEqual({
    status,
    code,
    reason: `why (${code})`,
    socksReply,
  });
});

test('an error that nobody foresaw is the gateway’s own, and says nothing of what it holds', () => {
  expect(outcomeOf(new Error('password is hunter2'))).toMatchObject({ status: 500 });
  expect(outcomeOf(new Error('password is hunter2')).reason).not.toContain('hunter2');
});

test('whatever a peer gives as its reason, the answer is one head of printable ASCII and a body of that length', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 600 }), (message) => {
      const answer = refusal(outcomeOf(new FairleadError('ERR_TARGET_FAILED', message))).toString('latin1');
      const end = answer.indexOf('\r\n\r\n');
      const [statusLine = '', ...fields] = answer.slice(0, end).split('\r\n');
      expect(statusLine).toMatch(/^HTTP\/1\.1 502 [\x20-\x7e]{1,200}$/);
      expect(fields.map((field) => field.split(':')[0])).toEqual([
        'Content-Type',
        'Content-Length',
        'Connection',
      ]);
      const body = answer.slice(end + 4);
      expect(fields[1]).toBe(`Content-Length: ${body.length}`);
      expect(JSON.parse(body)).toMatchObject({ error: { code: 'ERR_TARGET_FAILED' } });
    }),
  );
});

test.each([
  ['edge-1:22', 'edge-1', 22],
  ['10.0.0.7:65535', '10.0.0.7', 65_535],
  ['[fd00::7]:443', 'fd00::7', 443],
  ['name.namespace.svc:8443', 'name.namespace.svc', 8443],
])('%s is a target', (text, host, port) => {
  expect(parseAuthority(text)).toEqual({ host, port });
});

test.each([
  ['edge-1', 'no port'],
  ['edge-1:', 'no port'],
  ['[::1]', 'no port'],
  ['edge-1:0', 'not a port'],
  ['edge-1:65536', 'not a port'],
  ['edge-1:000022', 'not a port'],
  ['::1:22', 'not HOST:PORT'],
  ['[::1', 'not HOST:PORT'],
  ['[edge-1]:22', 'not an IPv6 address'],
  ['[fe80::1%25eth0]:22', 'not an IPv6 address'],
  [':22', 'not HOST:PORT'],
  ['', 'not HOST:PORT'],
  ['user@host:22', 'neither a host name nor an address'],
  ['1.2.3:22', 'neither a host name nor an address'],
  ['http://edge-1:22/', 'not HOST:PORT'],
  [`${'x'.repeat(254)}:22`, 'neither a host name nor an address'],
])('%s is none: %s', (text, why) => {
  expect(() => parseAuthority(text)).toThrow(why);
});

test('credentials take each line and no other pair', () => {
  const credentials = parseCredentials('# users\nanna:a:b\r\n\nbert:ünï\n');
  const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;
  expect(credentials.accept('anna', 'a:b')).toBe(true);
  expect(acceptsBasic(credentials, basic('anna:a:b'))).toBe(true);
  expect(acceptsBasic(credentials, basic('bert:ünï').replace('Basic', 'basic '))).toBe(true);
  for (const header of [
    undefined,
    '',
    'Basic',
    basic('anna:ünï'),
    basic('bert:a:b'),
    basic('anna'),
    basic(':a:b'),
    basic('anna:a:b').replace('Basic', 'Bearer'),
    `${basic('anna:a:b')} x`,
  ])
    expect(acceptsBasic(credentials, header), header).toBe(false);
});

test.each(['', '# nobody\n', 'anna\n', ':secret\n', 'anna:\n', `anna:${'x'.repeat(256)}\n`])(
  'a file of users that cannot be used is refused without quoting it: %j',
  (text) => {
    expect(() => parseCredentials(text)).toThrow(/line|user/);
    expect(() => parseCredentials(text)).not.toThrow(/anna:x|secret/);
  },
);
