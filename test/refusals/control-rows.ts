// What a peer must not say to its broker: envelopes and control messages. `{dial}` … in a REAUTH stands for a
// token of that name.

import { frameTypes } from '../../src/protocol/frame.ts';

type ControlBody = string | Buffer | object;

export interface ControlRow {
  readonly name: string;
  readonly from: 'dialer' | 'agent';
  /** A message as it is, or one control frame of `type`. */
  readonly bytes?: Buffer;
  readonly type?: number;
  readonly session?: bigint;
  readonly body?: ControlBody;
  readonly code: number;
  readonly says: string;
}

const malformed = { code: 4400, says: 'malformed message' } as const;
const shape = { code: 4400, says: 'wrong shape' } as const;
const noJson = { code: 4400, says: 'not JSON' } as const;
const hex = (text: string) => Buffer.from(text.replaceAll(' ', ''), 'hex');
const control = '0000000000000000';

/** Both kinds of peer are held to these. */
const byBoth: readonly Omit<ControlRow, 'from'>[] = [
  { name: 'a control message without a frame', bytes: hex(control), ...malformed },
  { name: 'one byte of a header', bytes: hex(`${control} 08`), ...malformed },
  {
    name: 'a header without its last byte',
    bytes: hex(`${control} 08000000 00000000 000000000000`),
    ...malformed,
  },
  {
    name: 'a payload that does not come',
    bytes: hex(`${control} 08000004 00000000 0000000000000000`),
    ...malformed,
  },
  {
    name: 'a payload without its last byte',
    bytes: hex(`${control} 08000004 00000000 0000000000000000 000000`),
    ...malformed,
  },
  {
    name: 'a payload of 16 MiB that is only said',
    bytes: hex(`${control} 25ffffff 00000000 0000000000000000`),
    ...malformed,
  },
  {
    name: 'a payload over 65,536 bytes',
    bytes: Buffer.concat([hex(`${control} c8010001 00000000 0000000000000000`), Buffer.alloc(65_537)]),
    ...malformed,
  },
  {
    name: 'a good ping and then half a header',
    bytes: hex(`${control} 08000000 00000000 0000000000000001 0800`),
    ...malformed,
  },
  ...(['OPEN', 'ACCEPT', 'DATA', 'FIN', 'CREDIT', 'RESET', 'SYNC'] as const).map((name) => ({
    name: `${name}, which is for streams`,
    type: frameTypes[name],
    code: 4400,
    says: `${name} from a`,
  })),
  ...(['HELLO', 'UNREACHABLE', 'BUDGET'] as const).map((name) => ({
    name: `${name}, which is for brokers to say`,
    type: frameTypes[name],
    session: 0xffn,
    code: 4400,
    says: `${name} from a`,
  })),
  {
    name: 'HELLO as a broker says it',
    type: frameTypes.HELLO,
    body: { version: '1', maxMessageBytes: 4096, inFlightBytes: 65_536 },
    code: 4400,
    says: 'HELLO from a',
  },
  { name: 'a REAUTH without a payload', type: frameTypes.REAUTH, ...noJson },
  { name: 'a REAUTH that is no JSON', type: frameTypes.REAUTH, body: '{"token"', ...noJson },
  { name: 'a REAUTH that is no UTF-8', type: frameTypes.REAUTH, body: hex('7b22ff227d'), ...noJson },
  { name: 'a REAUTH that is a bare token', type: frameTypes.REAUTH, body: '{dial}', ...noJson },
  { name: 'a REAUTH that is null', type: frameTypes.REAUTH, body: 'null', ...shape },
  { name: 'a REAUTH that is a list', type: frameTypes.REAUTH, body: '[]', ...shape },
  { name: 'a REAUTH without a token', type: frameTypes.REAUTH, body: {}, ...shape },
  { name: 'a REAUTH with an empty token', type: frameTypes.REAUTH, body: { token: '' }, ...shape },
  { name: 'a REAUTH whose token is a number', type: frameTypes.REAUTH, body: { token: 7 }, ...shape },
  { name: 'a REAUTH whose token is a list', type: frameTypes.REAUTH, body: { token: ['{dial}'] }, ...shape },
  {
    name: 'a REAUTH of 8,193 characters',
    type: frameTypes.REAUTH,
    body: { token: 'a'.repeat(8193) },
    ...shape,
  },
  {
    name: 'a REAUTH with a word',
    type: frameTypes.REAUTH,
    body: { token: 'word' },
    code: 4401,
    says: 'not a valid JWT',
  },
  {
    name: 'a REAUTH with a token that has ended',
    type: frameTypes.REAUTH,
    body: { token: '{expired}' },
    code: 4401,
    says: 'expired',
  },
  {
    name: "a REAUTH with a stranger's token",
    type: frameTypes.REAUTH,
    body: { token: '{stranger}' },
    code: 4401,
    says: 'signature',
  },
  {
    name: 'a REAUTH of another principal',
    type: frameTypes.REAUTH,
    body: { token: '{mallory}' },
    code: 4401,
    says: 'another principal',
  },
  {
    name: 'two REAUTHs at once',
    bytes: Buffer.concat([hex(control), reauth(), reauth()]),
    code: 4400,
    says: 'before the one before it was answered',
  },
];

function reauth(): Buffer {
  const body = Buffer.from('{"token":"a.b.c"}');
  return Buffer.concat([hex('25000011 00000000 0000000000000000'), body]);
}

const byDialer: readonly Omit<ControlRow, 'from'>[] = [
  {
    name: 'the id of another session',
    bytes: hex('00000000000000fe 08000000 00000000 0000000000000000'),
    code: 4400,
    says: 'another session',
  },
  {
    name: 'the id with its upper half changed',
    bytes: hex('80000000000000ff 08000000 00000000 0000000000000000'),
    code: 4400,
    says: 'another session',
  },
  {
    name: 'the id backwards',
    bytes: hex('ff00000000000000 08000000 00000000 0000000000000000'),
    code: 4400,
    says: 'another session',
  },
  { name: 'the highest id', bytes: hex('ffffffffffffffff'), code: 4400, says: 'another session' },
  {
    name: 'ATTACH for its own session',
    type: frameTypes.ATTACH,
    session: 0xffn,
    code: 4400,
    says: 'ATTACH from a dial link',
  },
  {
    name: "ATTACH for another's session",
    type: frameTypes.ATTACH,
    session: 1n,
    code: 4400,
    says: 'ATTACH from a dial link',
  },
  {
    name: 'ATTACH as a broker says it',
    type: frameTypes.ATTACH,
    session: 1n,
    body: { principal: 'root', grants: {} },
    code: 4400,
    says: 'ATTACH from a dial link',
  },
  {
    name: 'DETACH for its own session',
    type: frameTypes.DETACH,
    session: 0xffn,
    code: 4400,
    says: 'DETACH from a dial link',
  },
  {
    name: "DETACH for another's session",
    type: frameTypes.DETACH,
    session: 1n,
    code: 4400,
    says: 'DETACH from a dial link',
  },
  {
    name: 'STATUS, which is for agents',
    type: frameTypes.STATUS,
    body: { streams: 0 },
    code: 4400,
    says: 'STATUS from a dial link',
  },
  {
    name: 'a REAUTH with an agent token of the same name',
    type: frameTypes.REAUTH,
    body: { token: '{aliceAgent}' },
    code: 4401,
    says: 'another principal',
  },
  {
    name: 'a REAUTH with other targets',
    type: frameTypes.REAUTH,
    body: { token: '{aliceNarrow}' },
    code: 4401,
    says: 'other grants',
  },
  {
    name: 'a REAUTH without the node',
    type: frameTypes.REAUTH,
    body: { token: '{aliceElsewhere}' },
    code: 4401,
    says: 'other grants',
  },
];

const byAgent: readonly Omit<ControlRow, 'from'>[] = [
  { name: 'a DETACH without a payload', type: frameTypes.DETACH, session: 0xffn, ...noJson },
  { name: 'a DETACH that is no JSON', type: frameTypes.DETACH, session: 0xffn, body: 'no', ...noJson },
  {
    name: 'a DETACH without a reason',
    type: frameTypes.DETACH,
    session: 0xffn,
    body: { code: 'ERR_PRINCIPAL' },
    ...shape,
  },
  {
    name: 'a DETACH whose code is a number',
    type: frameTypes.DETACH,
    session: 0xffn,
    body: { code: 21, reason: '' },
    ...shape,
  },
  {
    name: 'a DETACH with a code too long',
    type: frameTypes.DETACH,
    session: 0xffn,
    body: { code: 'E'.repeat(33), reason: '' },
    ...shape,
  },
  {
    name: 'a DETACH with a reason too long',
    type: frameTypes.DETACH,
    session: 0xffn,
    body: { code: 'E', reason: 'x'.repeat(257) },
    ...shape,
  },
  { name: 'a STATUS without a payload', type: frameTypes.STATUS, ...noJson },
  { name: 'a STATUS without streams', type: frameTypes.STATUS, body: {}, ...shape },
  ...[-1, 0.5, 1e300, '1', null].map((streams) => ({
    name: `a STATUS of ${JSON.stringify(streams)} streams`,
    type: frameTypes.STATUS,
    body: { streams },
    ...shape,
  })),
  ...[
    ['whose error is a word', 'ECONNREFUSED'],
    ['whose error has no time', { code: 'E', reason: '' }],
    ['whose error has a time that is none', { code: 'E', reason: '', at: 'yesterday' }],
    ['with a code too long', { code: 'E'.repeat(33), reason: '', at: '2026-01-01T00:00:00Z' }],
    ['with a reason too long', { code: 'E', reason: 'x'.repeat(257), at: '2026-01-01T00:00:00Z' }],
  ].map(([what, lastError]) => ({
    name: `a STATUS ${what}`,
    type: frameTypes.STATUS,
    body: { streams: 1, lastError },
    ...shape,
  })),
  {
    name: 'a REAUTH with a dial token of the same name',
    type: frameTypes.REAUTH,
    body: { token: '{agentDial}' },
    code: 4401,
    says: 'another principal',
  },
  {
    name: 'a REAUTH for another node',
    type: frameTypes.REAUTH,
    body: { token: '{agentElsewhere}' },
    code: 4401,
    says: 'other grants',
  },
  {
    name: 'a REAUTH without the routes',
    type: frameTypes.REAUTH,
    body: { token: '{agentNarrow}' },
    code: 4401,
    says: 'other grants',
  },
];

export const controlRows: readonly ControlRow[] = [
  ...byBoth.flatMap((row) => [
    { ...row, from: 'dialer' as const },
    { ...row, from: 'agent' as const },
  ]),
  ...byDialer.map((row) => ({ ...row, from: 'dialer' as const })),
  ...byAgent.map((row) => ({ ...row, from: 'agent' as const })),
];
