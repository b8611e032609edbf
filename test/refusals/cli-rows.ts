// Command lines that are wrong: exit 2, or 1 where the line is right and what it names is not. Files of the directory
// that they run in: `secret`, `short` (a secret of nine bytes), `token`, `words`, `pem` (a private key), `jwks`.

export interface CliRow {
  readonly name: string;
  readonly args: readonly string[];
  readonly exit: 1 | 2;
  readonly says: string;
}

const to = ['--broker', 'ws://127.0.0.1:1', '--token-file', 'token'];
const usage = { exit: 2 } as const;
const failed = { exit: 1 } as const;
const broker = ['broker', '--listen', '127.0.0.1:0', '--metrics', 'off'];
const withSecret = [...broker, '--auth-secret-file', 'secret'];
const agent = ['agent', ...to, '--node', 'edge-1', '--allow', 'a:1'];

const everywhere: readonly CliRow[] = [
  { name: 'a command that there is not', args: ['serve'], ...usage, says: 'serve' },
  { name: 'a flag without its command', args: ['--broker', 'x'], ...usage, says: '--broker' },
  { name: 'a command of the object prototype', args: ['__proto__'], ...usage, says: '__proto__' },
  { name: 'a command with an escape sequence', args: ['\u001b[2J'], ...usage, says: 'u001b' },
  ...['broker', 'dial', 'forward', 'gateway', 'nodes', 'token', 'keys', 'up'].map((command) => ({
    name: `a flag that "${command}" does not have`,
    args: [command, '--no-such-flag'],
    ...usage,
    says: '--no-such-flag',
  })),
  ...['http://', 'broker', 'ftp://a', 'wss://', 'ws://a b', 'javascript:alert(1)'].map((url) => ({
    name: `"${url}" for a broker`,
    args: ['nodes', '--broker', url, '--token-file', 'token'],
    ...usage,
    says: 'broker URL',
  })),
  {
    name: 'a broker with a password',
    args: ['nodes', '--broker', 'wss://a:secret-marker@b', '--token-file', 'token'],
    ...usage,
    says: 'no user or password',
  },
  {
    name: 'a broker with a token in its query',
    args: ['nodes', '--broker', 'ws://127.0.0.1:1/?token=secret-marker', '--token-file', 'token'],
    ...usage,
    says: 'query',
  },
  {
    name: 'a broker without encryption elsewhere',
    args: ['nodes', '--broker', 'http://192.0.2.1', '--token-file', 'token'],
    ...usage,
    says: '--insecure',
  },
  { name: 'no token', args: ['nodes', '--broker', 'ws://127.0.0.1:1'], ...usage, says: 'no token' },
  {
    name: 'a token file that is not there',
    args: ['nodes', '--broker', 'ws://127.0.0.1:1', '--token-file', 'nope'],
    ...failed,
    says: 'no file nope',
  },
  {
    name: 'a token file of words',
    args: ['nodes', '--broker', 'ws://127.0.0.1:1', '--token-file', 'words'],
    ...failed,
    says: 'does not hold a token',
  },
  {
    name: 'a token file that is a key',
    args: ['nodes', '--broker', 'ws://127.0.0.1:1', '--token-file', 'pem'],
    ...failed,
    says: 'does not hold a token',
  },
  {
    name: 'a log level that there is not',
    args: ['nodes', ...to, '--log-level', 'loud'],
    ...usage,
    says: 'Allowed choices',
  },
  { name: 'a certificate without its key', args: ['nodes', ...to, '--cert', 'pem'], ...usage, says: '--key' },
];

const dialling: readonly CliRow[] = [
  { name: 'dial without anything', args: ['dial', ...to], ...usage, says: "'node'" },
  {
    name: 'dial with a node in capitals',
    args: ['dial', ...to, 'Edge', 'a:1'],
    ...usage,
    says: 'lower-case',
  },
  {
    name: 'dial with a node that is a path',
    args: ['dial', ...to, '../edge', 'a:1'],
    ...usage,
    says: 'lower-case',
  },
  {
    name: 'dial with a node of 254 characters',
    args: ['dial', ...to, 'e'.repeat(254), 'a:1'],
    ...usage,
    says: 'lower-case',
  },
  ...(
    [
      ['a', 'HOST:PORT'],
      [':22', 'HOST:PORT'],
      ['a:', 'HOST:PORT'],
      ['a:0', '1 to 65535'],
      ['a:65536', '1 to 65535'],
      ['a:ssh', '1 to 65535'],
      ['a:22:33', 'HOST:PORT'],
      ['a:0x16', '1 to 65535'],
      ['::1:22', 'HOST:PORT'],
      ['[::1:22', 'HOST:PORT'],
      ['[::g]:22', 'IPv6'],
      ['[127.0.0.1]:22', 'IPv6'],
      ['127.1:22', 'neither a host name nor an address'],
      ['1.2.3.4.5:22', 'neither a host name nor an address'],
      ['a b:22', 'neither a host name nor an address'],
      ['-a:22', 'unknown option'],
      ['a/b:22', 'neither a host name nor an address'],
      ['http://a:80', 'HOST:PORT'],
    ] as const
  ).map(([target, says]) => ({
    name: `dial with the target "${target}"`,
    args: ['dial', ...to, 'edge-1', target],
    ...usage,
    says,
  })),
  ...(
    [
      ['8022', '[BIND:]PORT'],
      ['8022:edge-1:22', '[BIND:]PORT'],
      ['65536:edge-1:a:22', '0 to 65535'],
      ['x:edge-1:a:22', '0 to 65535'],
      ['8022:Edge:a:22', 'lower-case'],
      ['8022:edge-1:a:0', '1 to 65535'],
      ['a b:8022:edge-1:a:22', 'neither a host name'],
      ['1:2:3:4:5:6', '[BIND:]PORT'],
      ['unix:a.sock', '[BIND:]PORT'],
      ['unix:a.sock:edge-1', 'unix:PATH:NODE:HOST:PORT'],
      ['unix::edge-1:a:22', 'with a path of at most 107 bytes'],
      [`unix:/${'x'.repeat(107)}:edge-1:a:22`, 'with a path of at most 107 bytes'],
      ['unix:a.sock:8022:edge-1:a:22', 'HOST:PORT'],
      ['unix:a.sock:Edge:a:22', 'lower-case'],
      ['unix:a.sock:edge-1:unix:relative', 'unix:/PATH, absolute'],
    ] as const
  ).map(([spec, says]) => ({
    name: `forward with "${spec}"`,
    args: ['forward', ...to, spec],
    ...usage,
    says,
  })),
  { name: 'forward with nothing', args: ['forward', ...to], ...usage, says: 'missing required argument' },
  { name: 'gateway with nothing', args: ['gateway', ...to], ...usage, says: '--http-connect' },
  {
    name: 'gateway with nothing but a status page',
    args: ['gateway', ...to, '--status-page', '0'],
    ...usage,
    says: '--http-connect',
  },
  {
    name: 'a status page of a gateway for everybody, in clear',
    args: ['gateway', ...to, '--http-connect', '0', '--status-page', '0.0.0.0:0'],
    ...usage,
    says: 'plain TCP is for loopback only',
  },
  {
    name: 'a status page of a broker for whoever',
    args: [...withSecret, '--status-page', 'everybody'],
    ...usage,
    says: 'loopback, token, off',
  },
  ...[
    ['without a value', 'site', 'KEY=VALUE'],
    ['without a key', '=berlin', 'KEY=VALUE'],
    ['with a space in its key', 'my site=berlin', 'keys of letters'],
    ['of two lines', 'site=a\nb', 'values of one line'],
    ['that turns text around', 'site=a\u202eb', 'values of one line'],
    ['of 64 characters', `site=${'x'.repeat(64)}`, 'at most 63'],
    ['of the object prototype', '__proto__=x', 'keys of letters'],
  ].map(([what, label, says]) => ({
    name: `a label ${what}`,
    args: [...agent, '--label', label ?? ''],
    ...usage,
    says: says ?? '',
  })),
  {
    name: 'a label that is given twice',
    args: [...agent, '--label', 'site=a', '--label', 'site=b'],
    ...usage,
    says: 'given twice',
  },
  {
    name: 'seventeen labels',
    args: [...agent, ...Array.from({ length: 17 }, (_, i) => ['--label', `k${i}=v`]).flat()],
    ...usage,
    says: 'At most 16',
  },
  {
    name: 'gateway at no address',
    args: ['gateway', ...to, '--http-connect', 'a:b'],
    ...usage,
    says: 'not a port',
  },
  {
    name: 'gateway with a dial limit that is no number',
    args: ['gateway', ...to, '--http-connect', '0', '--dial-timeout', 'soon'],
    ...usage,
    says: 'seconds',
  },
];

const serving: readonly CliRow[] = [
  { name: 'a broker without keys', args: broker, ...usage, says: 'no key to check tokens with' },
  {
    name: 'a broker with a secret that is not there',
    args: [...broker, '--auth-secret-file', 'nope'],
    ...failed,
    says: 'no secret file nope',
  },
  {
    name: 'a broker with a short secret',
    args: [...broker, '--auth-secret-file', 'short'],
    ...failed,
    says: '32 bytes',
  },
  {
    name: 'a broker with a secret that is a directory',
    args: [...broker, '--auth-secret-file', '.'],
    ...failed,
    says: 'a directory',
  },
  {
    name: 'a broker with a private key',
    args: [...broker, '--auth-key', 'pem'],
    ...failed,
    says: 'a private key',
  },
  {
    name: 'a broker with words for a key',
    args: [...broker, '--auth-key', 'words'],
    ...failed,
    says: 'neither PEM',
  },
  {
    name: 'a broker with words for a key set',
    args: [...broker, '--auth-jwks', 'words'],
    ...failed,
    says: 'neither PEM',
  },
  {
    name: 'a broker with a key set in the clear',
    args: [...broker, '--auth-jwks', 'http://192.0.2.1/jwks'],
    ...failed,
    says: 'https://',
  },
  {
    name: 'a broker with a key set behind a password',
    args: [...broker, '--auth-jwks', 'https://a:secret-marker@b/jwks'],
    ...failed,
    says: 'no user or password',
  },
  {
    name: 'a broker with words for a configuration',
    args: [...broker, '--auth-config', 'words'],
    ...failed,
    says: 'not JSON',
  },
  {
    name: 'a broker with a key set for a configuration',
    args: [...broker, '--auth-config', 'jwks'],
    ...failed,
    says: 'jwks',
  },
  {
    name: 'a broker with words for a deny list',
    args: [...withSecret, '--deny-file', 'words'],
    ...failed,
    says: 'line 1',
  },
  {
    name: 'a broker with a deny list that is not there',
    args: [...withSecret, '--deny-file', 'nope'],
    ...failed,
    says: 'no file nope',
  },
  {
    name: 'a broker at no address',
    args: ['broker', '--auth-secret-file', 'secret', '--listen', 'here'],
    ...usage,
    says: 'not a port',
  },
  {
    name: 'a broker at port 65536',
    args: ['broker', '--auth-secret-file', 'secret', '--listen', '127.0.0.1:65536'],
    ...usage,
    says: '0 to 65535',
  },
  {
    name: "a broker at another machine's address",
    args: ['broker', '--metrics', 'off', '--auth-secret-file', 'secret', '--listen', '192.0.2.1:0'],
    ...failed,
    says: "not one of this machine's",
  },
  {
    name: 'a broker with a certificate alone',
    args: [...withSecret, '--tls-cert', 'pem'],
    ...usage,
    says: '--tls-key',
  },
  {
    name: 'a broker with words for a certificate',
    args: [...withSecret, '--tls-cert', 'words', '--tls-key', 'words'],
    ...failed,
    says: 'certificate',
  },
  {
    name: 'a broker with a limit of nothing',
    args: [...withSecret, '--max-connections', '0'],
    ...usage,
    says: 'max-connections',
  },
  {
    name: 'a broker with a limit that is a word',
    args: [...withSecret, '--max-connections', 'many'],
    ...usage,
    says: 'max-connections',
  },
  {
    name: 'a broker with a size in another unit',
    args: [...withSecret, '--max-message-bytes', '1TiB'],
    ...usage,
    says: 'max-message-bytes',
  },
  { name: 'an agent without a node', args: ['agent', ...to, '--allow', 'a:1'], ...usage, says: '--node' },
  {
    name: 'an agent that allows nothing',
    args: ['agent', ...to, '--node', 'edge-1'],
    ...usage,
    says: '--allow',
  },
  ...[
    'host',
    'host:0',
    'host:9-8',
    '*.*:1',
    '10.0.0.0/33:1',
    '127.1:1',
    '[::1:1',
    'fe80::1:22',
    'a:1;sub=',
    'a:1;group=x',
    'a b:1',
  ].map((rule) => ({
    name: `an agent that allows "${rule}"`,
    args: ['agent', ...to, '--node', 'edge-1', '--allow', rule],
    ...usage,
    says: 'is no rule for a target',
  })),
  { name: 'an agent with a drain in words', args: [...agent, '--drain', 'long'], ...usage, says: 'seconds' },
  {
    name: 'an agent whose way back has no token',
    args: [...agent, '--listen', '0=edge-2:a:22'],
    ...usage,
    says: 'listen-token-file',
  },
];

const tokens: readonly CliRow[] = [
  {
    name: 'a token for nobody',
    args: ['token', '--secret-file', 'secret'],
    ...usage,
    says: '--agent NODE or --dial',
  },
  {
    name: 'a token for both',
    args: ['token', '--secret-file', 'secret', '--agent', 'a', '--dial', 'b'],
    ...usage,
    says: '--agent NODE or --dial',
  },
  {
    name: 'a token signed by nothing',
    args: ['token', '--dial', '*'],
    ...usage,
    says: '--secret-file FILE or --key-file',
  },
  {
    name: 'a token signed twice',
    args: ['token', '--dial', '*', '--secret-file', 'secret', '--key-file', 'pem'],
    ...usage,
    says: '--secret-file FILE or --key-file',
  },
  {
    name: 'a token with targets for an agent',
    args: ['token', '--secret-file', 'secret', '--agent', 'a', '--target', 'b:1'],
    ...usage,
    says: '--target',
  },
  {
    name: 'a token with routes for a dialer',
    args: ['token', '--secret-file', 'secret', '--dial', 'a', '--route', 'b'],
    ...usage,
    says: '--route',
  },
  {
    name: 'a token with a route that is none',
    args: ['token', '--secret-file', 'secret', '--agent', 'a', '--route', '10.0.0.0/33'],
    ...usage,
    says: 'route',
  },
  {
    name: 'a token for a node that is none',
    args: ['token', '--secret-file', 'secret', '--dial', 'EDGE'],
    ...usage,
    says: 'node pattern',
  },
  {
    name: 'a token signed with words',
    args: ['token', '--dial', '*', '--key-file', 'words'],
    ...failed,
    says: 'no private key',
  },
  {
    name: 'a token signed with a public key',
    args: ['token', '--dial', '*', '--key-file', 'jwks'],
    ...failed,
    says: 'no private key',
  },
  ...['0h', '-1h', '24', '1y', '1.5h', 'forever', '9999999d'].map((ttl) => ({
    name: `a token for "${ttl}"`,
    args: ['token', '--secret-file', 'secret', '--dial', '*', `--ttl=${ttl}`],
    ...usage,
    says: '"24h"',
  })),
  {
    name: 'a token of 10,000 days',
    args: ['token', '--secret-file', 'secret', '--dial', '*', '--ttl', '10000d'],
    ...usage,
    says: 'ttl',
  },
  {
    name: 'a token to inspect that is words',
    args: ['token', 'inspect', 'words'],
    ...failed,
    says: 'does not hold a token',
  },
  {
    name: 'a token to inspect that is not there',
    args: ['token', 'inspect', 'nope'],
    ...failed,
    says: 'no file nope',
  },
  {
    name: 'keys into a set that is none',
    args: ['keys', '--key-file', 'new', '--jwks', 'words'],
    ...failed,
    says: 'no JWK set',
  },
  {
    name: 'keys over a key that is there',
    args: ['keys', '--key-file', 'pem', '--jwks', 'jwks'],
    ...failed,
    says: 'never replaced',
  },
];

export const cliRows: readonly CliRow[] = [...everywhere, ...dialling, ...serving, ...tokens];
