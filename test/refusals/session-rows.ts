// Frames that one end of a session must not send to the other. Stream 1 is open when each is sent: the dialer has
// sent "four" on it, and the agent has answered "back".

import { frameTypes } from '../../src/protocol/frame.ts';
import { frame, message, type RawFrame, u64 } from './raw-peer.ts';

export const session = 0xffn;

export interface SessionRow {
  readonly name: string;
  /** Whole messages, in this order. */
  readonly send: readonly Buffer[];
  /** What ends: the session with a GOAWAY, or one stream with a RESET. */
  readonly ends: 'session' | 'stream';
  /** Default 1. */
  readonly stream?: number;
  readonly code: string;
  readonly says: string;
}

const { OPEN, ACCEPT, DATA, FIN, CREDIT, RESET, SYNC } = frameTypes;
const names = Object.fromEntries(Object.entries(frameTypes).map(([name, type]) => [type, name]));

const frames = (...parts: readonly RawFrame[]) => [message(session, ...parts.map(frame))];
const raw = (text: string) => [message(session, Buffer.from(text.replaceAll(' ', ''), 'hex'))];

const malformed = { ends: 'session', code: 'ERR_PROTOCOL', says: 'malformed' } as const;
const protocol = { ends: 'session', code: 'ERR_PROTOCOL' } as const;
const flow = { ends: 'stream', code: 'ERR_FLOW_CONTROL' } as const;
const wrong = { ends: 'stream', code: 'ERR_PROTOCOL' } as const;

/** RFC-less, but the same for both ends: the codec and the rules of a stream. */
const byEither: readonly SessionRow[] = [
  { name: 'an envelope without a frame', send: [message(session)], ...malformed },
  { name: 'one byte of a header', send: raw('03'), ...malformed },
  { name: 'a header without its last byte', send: raw('03000000 00000001 00000000000000'), ...malformed },
  { name: 'a payload that does not come', send: raw('03000005 00000001 0000000000000004'), ...malformed },
  {
    name: 'a payload without its last byte',
    send: raw('03000002 00000001 0000000000000004 00'),
    ...malformed,
  },
  {
    name: 'a good frame and then half a header',
    send: raw('08000000 00000000 0000000000000001 0300'),
    ...malformed,
  },
  {
    name: 'a payload of 16 MiB that is only said',
    send: raw('03ffffff 00000001 0000000000000004'),
    ...malformed,
  },
  {
    name: 'a payload of 65,537 bytes',
    send: [message(session, Buffer.from('03010001000000010000000000000004', 'hex'), Buffer.alloc(65_537))],
    ...malformed,
  },
  {
    name: 'a payload of 65,537 bytes in a frame of an unknown type',
    send: [message(session, Buffer.from('c8010001000000010000000000000004', 'hex'), Buffer.alloc(65_537))],
    ...malformed,
  },
  ...[OPEN, ACCEPT, DATA, FIN, CREDIT, RESET, SYNC].map((type) => ({
    name: `${names[type]} with an argument of 2^53`,
    send: raw(`${type.toString(16).padStart(2, '0')}000000 00000001 0020000000000000`),
    ...malformed,
  })),
  { name: 'an argument with every bit', send: raw('03000000 00000001 ffffffffffffffff'), ...malformed },
  ...[OPEN, ACCEPT, DATA, FIN, CREDIT, RESET].map((type) => ({
    name: `${names[type]} without a stream`,
    send: frames({ type }),
    ...protocol,
    says: 'a stream frame without a stream',
  })),
  {
    name: 'a frame of type 0 without a stream',
    send: frames({ type: 0 }),
    ...protocol,
    says: 'without a stream',
  },
  {
    name: 'a CREDIT without its payload',
    send: frames({ type: CREDIT, stream: 1 }),
    ...protocol,
    says: 'a CREDIT cut short',
  },
  {
    name: 'a CREDIT of seven bytes',
    send: frames({ type: CREDIT, stream: 1, payload: Buffer.alloc(7) }),
    ...protocol,
    says: 'a CREDIT cut short',
  },
  {
    name: 'a CREDIT with 2^64 - 1 received',
    send: frames({ type: CREDIT, stream: 1, payload: Buffer.alloc(8, 0xff) }),
    ...malformed,
  },
  {
    name: 'a SYNC without its payload',
    send: frames({ type: SYNC, stream: 1 }),
    ...protocol,
    says: 'a SYNC cut short',
  },
  {
    name: 'a SYNC without its flags',
    send: frames({ type: SYNC, stream: 1, payload: u64(0, 0) }),
    ...protocol,
    says: 'a SYNC cut short',
  },
  {
    name: 'a SYNC with a limit of 2^64 - 1',
    send: frames({ type: SYNC, stream: 1, payload: Buffer.concat([Buffer.alloc(8, 0xff), Buffer.alloc(9)]) }),
    ...malformed,
  },
  {
    name: 'a SYNC with 2^64 - 1 sent',
    send: frames({
      type: SYNC,
      stream: 1,
      payload: Buffer.concat([Buffer.alloc(8), Buffer.alloc(8, 0xff), Buffer.alloc(1)]),
    }),
    ...malformed,
  },
  {
    name: 'one byte beyond the credit',
    send: frames({ type: DATA, stream: 1, argument: 4 + 262_144, payload: 'x' }),
    ...flow,
    says: 'beyond the credit',
  },
  {
    name: 'data at the highest offset',
    send: frames({ type: DATA, stream: 1, argument: Number.MAX_SAFE_INTEGER, payload: 'x' }),
    ...flow,
    says: 'beyond the credit',
  },
  {
    name: 'nothing at the highest offset',
    send: frames({ type: DATA, stream: 1, argument: Number.MAX_SAFE_INTEGER }),
    ...flow,
    says: 'beyond the credit',
  },
  {
    name: 'a FIN beyond the credit',
    send: frames({ type: FIN, stream: 1, argument: 5 + 262_144 }),
    ...flow,
    says: 'beyond the credit',
  },
  {
    name: 'a FIN at the highest offset',
    send: frames({ type: FIN, stream: 1, argument: Number.MAX_SAFE_INTEGER }),
    ...flow,
    says: 'beyond the credit',
  },
  {
    name: 'a FIN before bytes that came',
    send: frames({ type: FIN, stream: 1, argument: 3 }),
    ...wrong,
    says: 'before bytes that came',
  },
  {
    name: 'a second FIN elsewhere',
    send: frames({ type: FIN, stream: 1, argument: 4 }, { type: FIN, stream: 1, argument: 9 }),
    ...wrong,
    says: 'a second FIN',
  },
  {
    name: 'data behind the FIN',
    send: frames({ type: FIN, stream: 1, argument: 4 }, { type: DATA, stream: 1, argument: 4, payload: 'x' }),
    ...flow,
    says: 'beyond the credit',
  },
  {
    name: 'a CREDIT for bytes never sent',
    send: frames({ type: CREDIT, stream: 1, argument: 300_000, payload: u64(1_000_000) }),
    ...wrong,
    says: 'never sent',
  },
  {
    name: 'a SYNC about bytes never sent',
    send: frames({ type: SYNC, stream: 1, argument: 1_000_000, payload: Buffer.alloc(17) }),
    ...wrong,
    says: 'never sent',
  },
  {
    name: 'credit over the maximum',
    send: frames({ type: CREDIT, stream: 1, argument: 2_000_000_000, payload: u64(0) }),
    ...flow,
    says: 'over the maximum',
  },
  {
    name: 'credit to the highest offset',
    send: frames({ type: CREDIT, stream: 1, argument: Number.MAX_SAFE_INTEGER, payload: u64(0) }),
    ...flow,
    says: 'over the maximum',
  },
  {
    name: 'a SYNC with credit over the maximum',
    send: frames({ type: SYNC, stream: 1, payload: Buffer.concat([u64(2_000_000_000, 0), Buffer.alloc(1)]) }),
    ...flow,
    says: 'over the maximum',
  },
];

function open(payload: string | Buffer, stream = 2): readonly Buffer[] {
  return frames({ type: OPEN, stream, argument: 262_144, payload });
}
const target = (host: unknown, port: unknown) => open(JSON.stringify({ host, port }));

const noJson = { ...protocol, says: 'not JSON' } as const;
const shape = { ...protocol, says: 'wrong shape' } as const;
const denied = {
  ends: 'stream',
  stream: 2,
  code: 'ERR_TARGET_DENIED',
  says: 'allow list does not name',
} as const;

/** Besides: what an agent is asked for. Its list allows any host at port 9, and the target that the test has. */
export const toAgentRows: readonly SessionRow[] = [
  ...byEither,
  {
    name: 'an ACCEPT from a dialer',
    send: frames({ type: ACCEPT, stream: 1, payload: '{"address":"127.0.0.1","port":1,"family":"IPv4"}' }),
    ...protocol,
    says: 'an ACCEPT from a dialer',
  },
  { name: 'an OPEN without a payload', send: open(''), ...noJson },
  { name: 'an OPEN of half an object', send: open('{"host":"a"'), ...noJson },
  { name: 'an OPEN with something behind the object', send: open('{"host":"a","port":9}}'), ...noJson },
  { name: 'an OPEN that is no UTF-8', send: open(Buffer.from([0x7b, 0xff, 0x7d])), ...noJson },
  { name: 'an OPEN in UTF-16', send: open(Buffer.from('{"host":"a","port":9}', 'utf16le')), ...noJson },
  { name: 'an OPEN 60,000 lists deep', send: open('['.repeat(60_000)), ...noJson },
  { name: 'an OPEN that is null', send: open('null'), ...shape },
  { name: 'an OPEN that is a number', send: open('9'), ...shape },
  { name: 'an OPEN that is a text', send: open('"127.0.0.1:9"'), ...shape },
  { name: 'an OPEN that is a list', send: open('["a",9]'), ...shape },
  { name: 'an OPEN that is empty', send: open('{}'), ...shape },
  { name: 'an OPEN without a host', send: open('{"port":9}'), ...shape },
  { name: 'an OPEN without a port', send: open('{"host":"a"}'), ...shape },
  { name: 'a host of the object prototype', send: open('{"__proto__":{"host":"a","port":9}}'), ...shape },
  { name: 'an empty host', send: target('', 9), ...shape },
  { name: 'a host of 256 characters', send: target('a'.repeat(256), 9), ...shape },
  { name: 'a host that is a number', send: target(2_130_706_433, 9), ...shape },
  { name: 'a host that is a list', send: target(['127.0.0.1'], 9), ...shape },
  { name: 'a host that is null', send: target(null, 9), ...shape },
  { name: 'port 0', send: target('127.0.0.1', 0), ...shape },
  { name: 'port -1', send: target('127.0.0.1', -1), ...shape },
  { name: 'port 65536', send: target('127.0.0.1', 65_536), ...shape },
  { name: 'port 9.5', send: target('127.0.0.1', 9.5), ...shape },
  { name: 'port 1e309', send: open('{"host":"a","port":1e309}'), ...shape },
  { name: 'a port in quotes', send: target('127.0.0.1', '9'), ...shape },
  { name: 'a port that is null', send: target('127.0.0.1', null), ...shape },
  { name: 'a port that is true', send: target('127.0.0.1', true), ...shape },
  {
    name: 'an OPEN with credit over the maximum',
    send: frames({
      type: OPEN,
      stream: 2,
      argument: 2_000_000_000,
      payload: '{"host":"127.0.0.1","port":9}',
    }),
    ...flow,
    stream: 2,
    says: 'over the maximum',
  },
  { name: 'a port that is not allowed', send: target('127.0.0.1', 1), ...denied },
  { name: 'an address that is not allowed', send: target('192.0.2.1', 1), ...denied },
  { name: 'a name that is not allowed', send: target('internal.example', 1), ...denied },
  { name: 'the cloud metadata service', send: target('169.254.169.254', 9), ...denied },
  { name: 'the metadata service in IPv6 clothes', send: target('::ffff:169.254.169.254', 9), ...denied },
  { name: 'the metadata service in hexadecimal clothes', send: target('::ffff:a9fe:a9fe', 9), ...denied },
  { name: 'the metadata service in brackets', send: target('[::ffff:a9fe:a9fe]', 9), ...denied },
  { name: 'the metadata service as one number', send: target('2852039166', 9), ...denied },
  { name: 'the metadata service in hexadecimal', send: target('0xa9fea9fe', 9), ...denied },
  { name: 'the metadata service in octal', send: target('0251.0376.0251.0376', 9), ...denied },
  { name: 'the metadata service with a short form', send: target('169.254.43518', 9), ...denied },
  { name: 'a link-local address of IPv6', send: target('fe80::1', 9), ...denied },
  { name: 'a link-local address with a zone', send: target('fe80::1%lo', 9), ...denied },
  { name: 'a host with a null byte', send: target('127.0.0.1\0.example', 1), ...denied },
  { name: 'a host with a newline', send: target('a\nb', 1), ...denied },
  { name: 'a host with an escape sequence', send: target('\u001b[2J', 1), ...denied },
  { name: 'a host that is a path', send: target('../../etc/passwd', 1), ...denied },
  { name: 'a host with a port of its own', send: target('127.0.0.1:22', 1), ...denied },
  { name: 'a host with a user', send: target('root@127.0.0.1', 1), ...denied },
  { name: 'a socket of the file system', send: target('/var/run/docker.sock', 1), ...denied },
  { name: 'a host of letters that look alike', send: target('lоcalhost', 1), ...denied },
  { name: 'a host that is a half of a surrogate pair', send: target('\ud800', 1), ...denied },
  {
    name: 'a stream that was used already',
    send: [...target('127.0.0.1', 1), ...frames({ type: RESET, stream: 2 }), ...target('127.0.0.1', 1)],
    ends: 'stream',
    stream: 2,
    code: 'ERR_TARGET_DENIED',
    says: 'allow list',
  },
];

const accept = (payload: string) => frames({ type: ACCEPT, stream: 2, argument: 262_144, payload });

/** Besides: what an agent must not answer. Stream 2 waits for its ACCEPT. */
export const toDialerRows: readonly SessionRow[] = [
  ...byEither,
  {
    name: 'an OPEN from an agent',
    send: frames({ type: OPEN, stream: 3, payload: '{"host":"a","port":9}' }),
    ...protocol,
    says: 'an OPEN from an agent',
  },
  ...[ACCEPT, DATA, FIN, CREDIT, SYNC].map((type) => ({
    name: `${names[type]} for a stream that was never opened`,
    send: frames({ type, stream: 99, payload: Buffer.alloc(17) }),
    ...protocol,
    says: 'a stream that was never opened',
  })),
  { name: 'an ACCEPT without a payload', send: accept(''), ...noJson },
  { name: 'an ACCEPT that is half an object', send: accept('{"address"'), ...noJson },
  { name: 'an ACCEPT that is null', send: accept('null'), ...shape },
  { name: 'an ACCEPT that is empty', send: accept('{}'), ...shape },
  { name: 'an ACCEPT without a family', send: accept('{"address":"127.0.0.1","port":9}'), ...shape },
  {
    name: 'an ACCEPT of another family',
    send: accept('{"address":"127.0.0.1","port":9,"family":"unix"}'),
    ...shape,
  },
  {
    name: 'an ACCEPT with the family as a number',
    send: accept('{"address":"127.0.0.1","port":9,"family":4}'),
    ...shape,
  },
  {
    name: 'an ACCEPT with port -1',
    send: accept('{"address":"127.0.0.1","port":-1,"family":"IPv4"}'),
    ...shape,
  },
  {
    name: 'an ACCEPT with port 65536',
    send: accept('{"address":"127.0.0.1","port":65536,"family":"IPv4"}'),
    ...shape,
  },
  {
    name: 'an ACCEPT with an address that is a number',
    send: accept('{"address":1,"port":9,"family":"IPv4"}'),
    ...shape,
  },
  {
    name: 'an ACCEPT with an address of 256 characters',
    send: accept(`{"address":"${'a'.repeat(256)}","port":9,"family":"IPv4"}`),
    ...shape,
  },
  {
    name: 'an ACCEPT with credit over the maximum',
    send: frames({
      type: ACCEPT,
      stream: 2,
      argument: 2_000_000_000,
      payload: '{"address":"127.0.0.1","port":9,"family":"IPv4"}',
    }),
    ...flow,
    stream: 2,
    says: 'over the maximum',
  },
  {
    name: 'data beyond the credit before the ACCEPT',
    send: frames({ type: DATA, stream: 2, argument: 262_144, payload: 'x' }),
    ...flow,
    stream: 2,
    says: 'beyond the credit',
  },
];
