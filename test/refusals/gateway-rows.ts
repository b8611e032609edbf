// What the gateway is asked for and does not give: requests over HTTP CONNECT, and messages of SOCKS5 in hexadecimal.

export interface ConnectRow {
  readonly name: string;
  /** Default: a CONNECT for `target`. */
  readonly line?: string;
  readonly target?: string;
  readonly headers?: string;
  readonly status: number;
  readonly code: string;
  readonly says: string;
}

const bad = { status: 400, code: 'ERR_CONFIG' } as const;
const noHttp = { ...bad, says: 'not an HTTP request' } as const;
const away = { status: 404, code: 'ERR_NODE_UNREACHABLE', says: '' } as const;
const denied = { status: 403, code: 'ERR_TARGET_DENIED', says: 'allow list' } as const;

export const connectRows: readonly ConnectRow[] = [
  ...['GET', 'POST', 'PUT', 'DELETE', 'OPTIONS', 'TRACE'].map((method) => ({
    name: `${method} instead of CONNECT`,
    line: `${method} http://127.0.0.1/ HTTP/1.1`,
    status: 405,
    code: 'ERR_CONFIG',
    says: `not for ${method}`,
  })),
  ...(
    [
      ['a', 'has no port'],
      ['a:', 'has no port'],
      [':22', 'not HOST:PORT'],
      ['a:0', '1 to 65535'],
      ['a:65536', '1 to 65535'],
      ['a:999999', '1 to 65535'],
      ['a:22:33', 'not HOST:PORT'],
      ['::1:22', 'not HOST:PORT'],
      ['[::1]', 'has no port'],
      ['[::1:22', 'not HOST:PORT'],
      ['[::g]:22', 'IPv6'],
      ['[127.0.0.1]:22', 'IPv6'],
      ['127.1:22', 'neither a host name nor an address'],
      ['0177.0.0.1:22', 'neither a host name nor an address'],
      ['a/b:22', 'neither a host name nor an address'],
      ['root@a:22', 'neither a host name nor an address'],
      ['-a:22', 'neither a host name nor an address'],
      [`${'a'.repeat(254)}:22`, 'neither a host name nor an address'],
      ['/etc/passwd', 'neither a host name nor an address'],
    ] as const
  ).map(([target, says]) => ({ name: `CONNECT ${target.slice(0, 40)}`, target, ...bad, says })),
  { name: 'a target with a control character', target: 'a\u0001:22', ...noHttp },
  { name: 'a target with a space', target: 'a b:22', ...noHttp },
  { name: 'HTTP/3.0', line: 'CONNECT a:22 HTTP/3.0', ...noHttp },
  { name: 'a method that there is not', line: 'GRAB a:22 HTTP/1.1', ...noHttp },
  { name: 'what is TLS', line: '\u0016\u0003\u0001', ...noHttp },
  { name: 'a header without a colon', target: '127.0.0.1:22', headers: 'broken\r\n', ...noHttp },
  {
    name: 'a head of 20,000 bytes',
    target: '127.0.0.1:22',
    headers: `x: ${'x'.repeat(20_000)}\r\n`,
    status: 431,
    code: 'ERR_CONFIG',
    says: 'more than 16384 bytes',
  },
  { name: 'a host that nobody serves', target: 'nobody.example:22', ...away },
  { name: 'an address that nobody serves', target: '192.0.2.7:22', ...away },
  { name: 'the metadata service', target: '169.254.169.254:80', ...away },
  { name: 'the metadata service in IPv6 clothes', target: '[::ffff:169.254.169.254]:80', ...away },
  { name: 'a port that the agent does not allow', target: '127.0.0.1:1', ...denied },
  {
    name: "what Host says differs, and the target's port is not allowed",
    target: '127.0.0.1:1',
    headers: 'Host: 127.0.0.1:{port}\r\n',
    ...denied,
  },
];

export interface SocksRow {
  readonly name: string;
  /** All that the client says; `greeting` stands for the one without a password. */
  readonly hex: string;
  /** All that it is answered before the end. */
  readonly answer: string;
}

const greeting = '050100';
const taken = '0500';
const refused = (reply: string) => `${taken}05${reply}0001000000000000`;
const domain = (host: string) =>
  `03${host.length.toString(16).padStart(2, '0')}${Buffer.from(host, 'latin1').toString('hex')}`;
const ask = (rest: string) => `${greeting}${rest}`;

export const socksRows: readonly SocksRow[] = [
  { name: 'SOCKS4', hex: '040100507f00000100', answer: '' },
  { name: 'HTTP', hex: Buffer.from('CONNECT a:22 HTTP/1.1\r\n\r\n').toString('hex'), answer: '' },
  { name: 'TLS', hex: '16030100c8', answer: '' },
  { name: 'no method', hex: '0500', answer: '' },
  { name: 'a method that there is not', hex: '050180', answer: '05ff' },
  { name: 'GSSAPI alone', hex: '050101', answer: '05ff' },
  { name: 'a password that nobody asked for', hex: '050102', answer: '05ff' },
  { name: 'a request of another version', hex: ask('04010001 7f000001 0016'), answer: refused('01') },
  { name: 'BIND', hex: ask('05020001 7f000001 0016'), answer: refused('07') },
  { name: 'UDP ASSOCIATE', hex: ask('05030001 7f000001 0016'), answer: refused('07') },
  { name: 'command 0', hex: ask('05000001 7f000001 0016'), answer: refused('07') },
  { name: 'a reserved byte', hex: ask('0501ff01 7f000001 0016'), answer: refused('01') },
  { name: 'address type 0', hex: ask('05010000 7f000001 0016'), answer: refused('08') },
  { name: 'address type 2', hex: ask('05010002 7f000001 0016'), answer: refused('08') },
  { name: 'address type 255', hex: ask('050100ff 7f000001 0016'), answer: refused('08') },
  { name: 'port 0', hex: ask('05010001 7f000001 0000'), answer: refused('01') },
  { name: 'an empty name', hex: ask('05010003 00 0016'), answer: refused('01') },
  { name: 'a name with a null byte', hex: ask(`050100${domain('a\0b')}0016`), answer: refused('01') },
  { name: 'a name with a newline', hex: ask(`050100${domain('a\nb')}0016`), answer: refused('01') },
  {
    name: 'a name with an escape sequence',
    hex: ask(`050100${domain('\u001b[2J')}0016`),
    answer: refused('01'),
  },
  { name: 'a name in brackets', hex: ask(`050100${domain('[::1]')}0016`), answer: refused('01') },
  { name: 'a name that is a short address', hex: ask(`050100${domain('127.1')}0016`), answer: refused('01') },
  { name: 'a name that is a path', hex: ask(`050100${domain('../a')}0016`), answer: refused('01') },
  { name: 'a name of 255 bytes', hex: ask(`050100${domain('a'.repeat(255))}0016`), answer: refused('01') },
  {
    name: 'a name of bytes over 127',
    hex: ask(`050100${domain('\u00e9\u00ff')}0016`),
    answer: refused('01'),
  },
  {
    name: 'a name that nobody serves',
    hex: ask(`050100${domain('nobody.example')}0016`),
    answer: refused('04'),
  },
  { name: 'the metadata service', hex: ask('05010001 a9fea9fe 0050'), answer: refused('04') },
  { name: 'a port that the agent does not allow', hex: ask('05010001 7f000001 0001'), answer: refused('02') },
];
