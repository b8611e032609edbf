// What the command line says to those who get it wrong: one line that says what to do, an exit code, and never
// a stack trace. Runs the real `bin/fairlead`.

import { spawn } from 'node:child_process';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const fairlead = fileURLToPath(new URL('../../bin/fairlead', import.meta.url));
const server = createServer();
let directory = '';
let usedPort = 0;

interface Outcome {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

async function run(args: readonly string[], environment: Record<string, string> = {}): Promise<Outcome> {
  const { PATH, HOME } = process.env;
  const child = spawn(process.execPath, [fairlead, ...args], {
    cwd: directory,
    env: { PATH, HOME, ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const code = new Promise<number | null>((resolve) => child.once('close', resolve));
  const [stdout, stderr] = await Promise.all([text(child.stdout), text(child.stderr)]);
  return { code: await code, stdout, stderr };
}

beforeAll(async () => {
  directory = mkdtempSync(join(tmpdir(), 'fairlead-cli-'));
  const write = (name: string, contents: string): void =>
    writeFileSync(join(directory, name), contents, { mode: 0o600 });
  write('secret', `${'s'.repeat(44)}\n`);
  write('short', 'too short\n');
  write('open', `${'s'.repeat(44)}\n`);
  chmodSync(join(directory, 'open'), 0o644);
  write('not-a-token', 'hello there\n');
  write('token', 'aaaa.bbbb.cccc\n');
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  usedPort = (server.address() as AddressInfo).port;
});

afterAll(() => {
  server.close();
  rmSync(directory, { recursive: true, force: true });
});

const dial = ['dial', '--broker', 'ws://127.0.0.1:1', '--token-file', 'token'];
const agent = ['agent', '--broker', 'ws://127.0.0.1:1', '--token-file', 'token'];
const gateway = ['gateway', '--broker', 'ws://127.0.0.1:1', '--token-file', 'token'];
const gatewayTls = ['--tls-cert', 'token', '--tls-key', 'token', '--client-ca', 'token'];

describe.concurrent('wrong usage exits 2 with one line', () => {
  test.each<[string, readonly string[], string]>([
    ['a command that there is not', ['dail'], 'Did you mean dial?'],
    ['a flag that there is not', ['dial', '--brokr', 'x', 'edge-1', 'a:1'], 'Did you mean --broker?'],
    ['an argument too few', [...dial, 'edge-1'], "'host:port'"],
    ['an argument too many', [...dial, 'edge-1', 'a:1', 'more'], 'too many arguments'],
    ['a target without a port', [...dial, 'edge-1', 'host'], 'Write HOST:PORT'],
    ['a target port out of range', [...dial, 'edge-1', 'host:70000'], '1 to 65535'],
    ['an IPv6 target without brackets', [...dial, 'edge-1', '::1:22'], 'Write HOST:PORT'],
    ['a node name in capitals', [...dial, 'Edge', 'a:1'], 'lower-case'],
    ['a forward with a part missing', ['forward', '8022:edge-1:22'], '[BIND:]PORT:NODE:HOST:PORT'],
    ['no broker', ['dial', '--token-file', 'token', 'edge-1', 'a:1'], 'FAIRLEAD_BROKER'],
    ['no token', ['dial', '--broker', 'ws://127.0.0.1:1', 'edge-1', 'a:1'], 'FAIRLEAD_TOKEN'],
    ['a broker URL that is none', ['nodes', '--broker', 'broker', '--token-file', 'token'], 'wss://'],
    [
      'an unencrypted broker elsewhere',
      ['nodes', '--broker', 'ws://192.0.2.1', '--token-file', 'token'],
      '--insecure',
    ],
    ['an agent that allows nothing', [...agent, '--node', 'edge-1'], '--allow'],
    ['an allow rule without a port', [...agent, '--node', 'edge-1', '--allow', 'host'], 'HOST:PORT'],
    [
      'a way back that is written as a forward',
      [...agent, '--node', 'edge-1', '--allow', 'a:1', '--listen', '6443:control-plane:a:1'],
      '[BIND:]PORT=NODE:HOST:PORT',
    ],
    [
      'a way back to a port out of range',
      [...agent, '--node', 'edge-1', '--allow', 'a:1', '--listen', '6443=control-plane:a:0'],
      '1 to 65535',
    ],
    [
      'a way back without a token of its own',
      [...agent, '--node', 'edge-1', '--allow', 'a:1', '--listen', '6443=control-plane:a:1'],
      '--listen-token-file',
    ],
    [
      'a token for a way back that there is not',
      [...agent, '--node', 'edge-1', '--allow', 'a:1', '--listen-token-file', 'token'],
      'goes with --listen',
    ],
    ['a gateway without a listener', gateway, '--http-connect'],
    [
      'plain TCP beyond this machine',
      [...gateway, '--http-connect', '0.0.0.0:3128'],
      'plain TCP is for loopback only',
    ],
    [
      'TLS without all of its files',
      [...gateway, '--http-connect', 'tls:127.0.0.1:0', '--tls-cert', 'token'],
      '--tls-cert, --tls-key and --client-ca, all three',
    ],
    [
      'a certificate for no address',
      [...gateway, '--socks5', '127.0.0.1:0', ...gatewayTls],
      'with a tls: address',
    ],
    ['SOCKS5 over TLS', [...gateway, '--socks5', 'tls:127.0.0.1:0'], 'not tls:'],
    [
      'passwords for no address',
      [...gateway, '--http-connect', 'unix:socket', '--basic-auth-file', 'token'],
      'goes with a HOST:PORT address',
    ],
    [
      'a socket path that no kernel takes',
      [...gateway, '--http-connect', `unix:${'x'.repeat(108)}`],
      'at most 107 bytes',
    ],
    [
      'a dial that may take no time',
      [...gateway, '--http-connect', '127.0.0.1:0', '--dial-timeout', '0'],
      '1 to 86400 seconds',
    ],
    [
      'no connections at all',
      [...gateway, '--http-connect', '127.0.0.1:0', '--max-connections', '0'],
      '1 to 1000000',
    ],
    ['an address to listen on that is none', ['broker', '--listen', 'a:b'], 'not a port'],
    ['an address for metrics that is none', ['broker', '--metrics', 'on'], 'not a port'],
    ['a proxy that is no address', ['broker', '--trusted-proxy', 'lb.example'], 'not an address or a CIDR'],
    ['a limit that is no number', ['broker', '--max-connections', 'many'], 'whole number'],
    ['a limit below its least', ['broker', '--max-connections', '0'], 'least is 1'],
    ['a size in a unit that there is not', ['broker', '--max-buffered-bytes', '64MB'], '"64MiB"'],
    [
      'a limit of the agent over its most',
      [...agent, '--node', 'edge-1', '--allow', 'a:1', '--max-streams', '65537'],
      'most is 65536',
    ],
    [
      'a certificate without its key',
      ['broker', '--auth-secret-file', 'secret', '--tls-cert', 'x'],
      '--tls-key',
    ],
    ['a token for nobody', ['token', '--secret-file', 'secret'], '--agent NODE or --dial PATTERN'],
    [
      'a duration without a unit',
      ['token', '--secret-file', 'secret', '--dial', '*', '--ttl', '24'],
      '"24h"',
    ],
    ['a log level that there is not', ['nodes', '--log-level', 'loud'], 'Allowed choices'],
  ])('%s', async (_, args, hint) => {
    const { code, stdout, stderr } = await run(args);
    expect(stderr).toContain(hint);
    expect(stderr).toMatch(/^fairlead: [^\n]*\n$/);
    expect(stderr).toContain('--help"');
    expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
  });
});

describe.concurrent('what cannot be done exits 1 with one line', () => {
  test.each<[string, readonly string[], string]>([
    ['a secret file that is missing', ['broker', '--auth-secret-file', 'nope'], 'head -c 32 /dev/urandom'],
    ['a secret that is too short', ['token', '--secret-file', 'short', '--dial', '*'], '32 bytes'],
    [
      'a token file that is missing',
      ['nodes', '--broker', 'ws://[::1]:1', '--token-file', 'nope'],
      'no file nope',
    ],
    [
      'a token file that is a directory',
      ['nodes', '--broker', 'ws://[::1]:1', '--token-file', '.'],
      'a directory',
    ],
    [
      'a file that holds no token',
      ['nodes', '--broker', 'ws://[::1]:1', '--token-file', 'not-a-token'],
      'fairlead token',
    ],
    ['a CA file without a certificate', [...dial, '--ca', 'secret', 'edge-1', 'a:1'], 'PEM'],
    [
      'a certificate that is none',
      [
        'broker',
        '--listen',
        '0',
        '--auth-secret-file',
        'secret',
        '--tls-cert',
        'secret',
        '--tls-key',
        'secret',
      ],
      'this holds no certificate in PEM',
    ],
    [
      'a broker that is not there',
      ['nodes', '--broker', 'ws://127.0.0.1:1', '--token-file', 'token'],
      'ECONNREFUSED',
    ],
  ])('%s', async (_, args, hint) => {
    const { code, stdout, stderr } = await run(args);
    expect(stderr).toContain(hint);
    expect(stderr).toMatch(/^fairlead: [^\n]*\n$/);
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
  });

  test.each([
    ['broker', ['broker', '--auth-secret-file', 'secret', '--listen']],
    ['forward', ['forward', '--broker', 'ws://127.0.0.1:1', '--token-file', 'token']],
  ])('a port in use (%s)', async (name, args) => {
    const address = name === 'broker' ? `127.0.0.1:${usedPort}` : `${usedPort}:edge-1:a:1`;
    const { code, stderr } = await run([...args, address]);
    expect(stderr).toBe(
      `fairlead: the address 127.0.0.1:${usedPort} is in use: stop what listens there or choose another port\n`,
    );
    expect(code).toBe(1);
  });
});

test('a token is all that "token" prints, and a secret that others can read is warned about', async () => {
  const quiet = await run(['token', '--secret-file', 'secret', '--dial', 'edge-*', '--ttl', '1h']);
  expect(quiet).toMatchObject({ code: 0, stderr: '' });
  expect(quiet.stdout).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+\n$/);
  const warned = await run(['token', '--secret-file', 'open', '--agent', 'edge-1']);
  expect(warned.code).toBe(0);
  expect(JSON.parse(warned.stderr)).toMatchObject({
    level: 40,
    msg: expect.stringContaining('chmod 600 open'),
  });
});

test.each(['', 'broker', 'agent', 'dial', 'forward', 'token', 'keys', 'nodes', 'up'])(
  '"%s --help" shows an example',
  async (name) => {
    const { code, stdout, stderr } = await run([...(name === '' ? [] : [name]), '--help']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    expect(stdout).toContain(`Usage: fairlead${name === '' ? '' : ` ${name}`}`);
    expect(stdout).toMatch(name === '' ? /Start with/ : /Examples?:/);
  },
);

test('--version prints the version, and nothing at all prints the help on stderr', async () => {
  expect(await run(['--version'])).toMatchObject({
    code: 0,
    stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
  });
  const bare = await run([]);
  expect(bare).toMatchObject({ code: 2, stdout: '' });
  expect(bare.stderr).toContain('Usage: fairlead');
});

test('the environment stands in for flags, and a flag wins over it', async () => {
  const environment = { FAIRLEAD_BROKER: 'ws://127.0.0.1:1', FAIRLEAD_TOKEN: 'aaaa.bbbb.cccc' };
  expect((await run(['nodes'], environment)).stderr).toContain('127.0.0.1:1 cannot be reached');
  const flagged = await run(['nodes', '--broker', 'ws://127.0.0.2:1'], environment);
  expect(flagged.stderr).toContain('127.0.0.2:1 cannot be reached');
  const wrong = await run(['nodes'], { ...environment, FAIRLEAD_TOKEN_FILE: 'nope' });
  expect(wrong.stderr).toContain('no file nope');
});

test('who stops reading a help hears nothing of it', async () => {
  const child = spawn(process.execPath, [fairlead, '--help'], { stdio: ['ignore', 'pipe', 'pipe'] });
  child.stdout.destroy();
  const code = new Promise((resolve) => child.once('close', resolve));
  expect(await text(child.stderr)).toBe('');
  expect(await code).toBe(1);
});
