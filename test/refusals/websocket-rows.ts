// Bytes on an open link that RFC 6455 does not allow, or Fairlead does not.

export interface WebSocketRow {
  readonly name: string;
  readonly bytes: Buffer;
  readonly code: number;
  readonly says: string;
}

interface FrameBits {
  readonly opcode: number;
  readonly payload?: Buffer;
  readonly isLast?: boolean;
  readonly reserved?: number;
  readonly masked?: boolean;
  /** What the header says, whatever follows. */
  readonly length?: bigint;
}

/** RFC 6455 §5.2, with an all-zero mask. */
function frame({
  opcode,
  payload = Buffer.alloc(0),
  isLast = true,
  reserved = 0,
  masked = true,
  length,
}: FrameBits) {
  const says = length ?? BigInt(payload.length);
  const head = [(isLast ? 0x80 : 0) | (reserved << 4) | opcode];
  const mask = masked ? 0x80 : 0;
  const size = Buffer.alloc(8);
  size.writeBigUInt64BE(says);
  if (says < 126n) head.push(mask | Number(says));
  else if (says < 65_536n) head.push(mask | 126, ...size.subarray(6));
  else head.push(mask | 127, ...size);
  return Buffer.concat([Buffer.from(head), Buffer.alloc(masked ? 4 : 0), payload]);
}

const text = 1;
const binary = 2;
const close = 8;
const ping = 9;
const pong = 10;

/** A whole frame of session ff, so that nothing is wrong but what the row says. */
const good = Buffer.concat([
  Buffer.from('00000000000000ff', 'hex'),
  Buffer.from('0800000000000000', 'hex'),
  Buffer.alloc(8),
]);
const fault = { code: 1002, says: '' } as const;
const status = (code: number) => Buffer.from([code >> 8, code & 0xff]);

export const webSocketRows: readonly WebSocketRow[] = [
  { name: 'an unmasked message', bytes: frame({ opcode: binary, payload: good, masked: false }), ...fault },
  { name: 'an unmasked ping', bytes: frame({ opcode: ping, masked: false }), ...fault },
  {
    name: 'the first reserved bit, as compression has',
    bytes: frame({ opcode: binary, payload: good, reserved: 4 }),
    ...fault,
  },
  { name: 'the second reserved bit', bytes: frame({ opcode: binary, payload: good, reserved: 2 }), ...fault },
  { name: 'the third reserved bit', bytes: frame({ opcode: binary, payload: good, reserved: 1 }), ...fault },
  { name: 'a reserved bit on a ping', bytes: frame({ opcode: ping, reserved: 4 }), ...fault },
  ...[3, 4, 5, 6, 7, 11, 12, 13, 14, 15].map((opcode) => ({
    name: `opcode ${opcode}`,
    bytes: frame({ opcode, payload: good }),
    ...fault,
  })),
  { name: 'a continuation of nothing', bytes: frame({ opcode: 0, payload: good }), ...fault },
  {
    name: 'a new message inside a fragmented one',
    bytes: Buffer.concat([
      frame({ opcode: binary, payload: good, isLast: false }),
      frame({ opcode: binary, payload: good }),
    ]),
    ...fault,
  },
  { name: 'a fragmented ping', bytes: frame({ opcode: ping, isLast: false }), ...fault },
  { name: 'a fragmented pong', bytes: frame({ opcode: pong, isLast: false }), ...fault },
  { name: 'a fragmented close', bytes: frame({ opcode: close, isLast: false }), ...fault },
  { name: 'a ping of 126 bytes', bytes: frame({ opcode: ping, payload: Buffer.alloc(126) }), ...fault },
  { name: 'a close of 126 bytes', bytes: frame({ opcode: close, payload: Buffer.alloc(126) }), ...fault },
  { name: 'a close with one byte', bytes: frame({ opcode: close, payload: Buffer.alloc(1) }), ...fault },
  ...[0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000, 65_535].map((code) => ({
    name: `a close with the code ${code}`,
    bytes: frame({ opcode: close, payload: status(code) }),
    ...fault,
  })),
  { name: 'a length of 2^63', bytes: frame({ opcode: binary, length: 1n << 63n }), code: 1009, says: '' },
  {
    name: 'a length of 2^64 - 1',
    bytes: frame({ opcode: binary, length: (1n << 64n) - 1n }),
    code: 1009,
    says: '',
  },
  { name: 'a length of 2^53', bytes: frame({ opcode: binary, length: 1n << 53n }), code: 1009, says: '' },
  {
    name: 'a message over the limit, announced',
    bytes: frame({ opcode: binary, length: 266_241n }),
    code: 1009,
    says: '',
  },
  {
    name: 'fragments that grow over the limit',
    bytes: Buffer.concat([
      frame({ opcode: binary, payload: Buffer.alloc(200_000), isLast: false }),
      frame({ opcode: 0, payload: Buffer.alloc(200_000) }),
    ]),
    code: 1009,
    says: '',
  },
  {
    name: 'a text message',
    bytes: frame({ opcode: text, payload: Buffer.from('hello') }),
    code: 1003,
    says: 'a text message',
  },
  { name: 'an empty text message', bytes: frame({ opcode: text }), code: 1003, says: 'a text message' },
  {
    name: 'a text message that is no UTF-8',
    bytes: frame({ opcode: text, payload: Buffer.from([0xff, 0xfe]) }),
    code: 1003,
    says: 'a text message',
  },
  {
    name: 'a text message that looks like a good one',
    bytes: frame({ opcode: text, payload: good }),
    code: 1003,
    says: 'a text message',
  },
  {
    name: 'an empty message',
    bytes: frame({ opcode: binary }),
    code: 4400,
    says: 'shorter than its envelope',
  },
  {
    name: 'a message of seven bytes',
    bytes: frame({ opcode: binary, payload: good.subarray(0, 7) }),
    code: 4400,
    says: 'shorter than its envelope',
  },
  {
    name: 'empty fragments that make an empty message',
    bytes: Buffer.concat([
      frame({ opcode: binary, isLast: false }),
      frame({ opcode: 0, isLast: false }),
      frame({ opcode: 0 }),
    ]),
    code: 4400,
    says: 'shorter than its envelope',
  },
  {
    name: "another session's id in two fragments",
    bytes: Buffer.concat([
      frame({ opcode: binary, payload: Buffer.alloc(7), isLast: false }),
      frame({ opcode: 0, payload: Buffer.from([0xfe, ...good.subarray(8)]) }),
    ]),
    code: 4400,
    says: 'another session',
  },
  { name: 'HTTP inside the link', bytes: Buffer.from('GET / HTTP/1.1\r\nHost: a\r\n\r\n'), ...fault },
  { name: 'a TLS handshake inside the link', bytes: Buffer.from('16030100c8010000c40303', 'hex'), ...fault },
];
