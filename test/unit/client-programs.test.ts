// What programs do with a StreamSocket, over two real session cores in memory: HTTP and TLS clients that
// were written for net.Socket.

import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { Agent, createServer as createHttpServer, request as httpRequest } from 'node:http';
import { type AddressInfo, connect as connectTcp, createServer, type Server } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { connect as connectTls, createServer as createTlsServer } from 'node:tls';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { StreamSocket, type StreamSocketOptions } from '../../src/link/stream-socket.ts';
import { Session, type SessionHost } from '../../src/protocol/session.ts';
import type { Stream } from '../../src/protocol/stream.ts';

const path = { maxMessageBytes: 262_144, inFlightBytes: 16_777_216, messagesAreDear: false };

/** Two sessions whose messages cross over in the event loop, the agent's side joined to real TCP targets. */
class LivePair {
  readonly dialer: Session = new Session(
    'dialer',
    7n,
    this.host(() => this.dialer.advance()),
  );
  readonly agent: Session = new Session('agent', 7n, {
    ...this.host(() => this.agent.advance()),
    opened: (stream, request) => joinToTarget(stream, request.port),
  });
  #isPumping = false;

  constructor() {
    this.dialer.linkUp(path);
    this.agent.linkUp(path);
  }

  open(port: number, options?: StreamSocketOptions): StreamSocket {
    const socket = new StreamSocket(options);
    socket.attach(this.dialer.open({ host: '127.0.0.1', port }, socket.streamHandler));
    return socket;
  }

  private host(advance: () => void): SessionHost {
    return {
      now: () => performance.now(),
      outputReady: () => this.pump(),
      wakeAt: (atMs) => void setTimeout(advance, Math.max(0, atMs - performance.now())).unref(),
      closed: () => {},
    };
  }

  private pump(): void {
    if (this.#isPumping) return;
    this.#isPumping = true;
    setImmediate(() => {
      this.#isPumping = false;
      for (let message = this.dialer.pull(); message; message = this.dialer.pull())
        this.agent.receive(message);
      for (let message = this.agent.pull(); message; message = this.agent.pull())
        this.dialer.receive(message);
    });
  }
}

function joinToTarget(stream: Stream, port: number): void {
  const target = connectTcp({ host: '127.0.0.1', port, allowHalfOpen: true });
  target.on('connect', () => stream.accept({ address: '127.0.0.1', port, family: 'IPv4' }));
  target.on('data', (chunk) => stream.write(chunk));
  target.on('end', () => stream.end());
  target.on('error', () => stream.reset('ECONNREFUSED', 'refused'));
  stream.handler = {
    data: (chunk) => {
      target.write(chunk);
      stream.consumed(chunk.length);
    },
    end: () => void target.end(),
    writable: () => {},
    closed: (error) => {
      if (error !== undefined) target.destroy();
    },
  };
}

const servers: Server[] = [];
let directory = '';
let key = '';
let cert = '';

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'fairlead-client-'));
  const keyFile = join(directory, 'key.pem');
  const certFile = join(directory, 'cert.pem');
  execFileSync(
    'openssl',
    `req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=target.test -addext subjectAltName=DNS:target.test -keyout ${keyFile} -out ${certFile}`.split(
      ' ',
    ),
    { stdio: 'pipe' },
  );
  key = readFileSync(keyFile, 'utf8');
  cert = readFileSync(certFile, 'utf8');
});

afterEach(() => {
  for (const server of servers.splice(0)) server.close();
});

afterAll(() => rmSync(directory, { recursive: true, force: true }));

async function listen(server: Server): Promise<number> {
  servers.push(server);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return (server.address() as AddressInfo).port;
}

function get(options: object): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ path: '/', headers: { host: 'target.test' }, ...options }, (response) =>
      resolve(text(response)),
    );
    request.on('error', reject).end();
  });
}

test('http.request works over a socket from createConnection', async () => {
  const port = await listen(createHttpServer((_request, response) => response.end('x'.repeat(300_000))));
  const pair = new LivePair();
  const body = await get({ createConnection: () => pair.open(port) });
  expect(body).toBe('x'.repeat(300_000));
});

test('an HTTP agent keeps the socket alive and uses it again', async () => {
  const port = await listen(createHttpServer((_request, response) => response.end('again')));
  const pair = new LivePair();
  let opened = 0;
  const agent = new Agent({ keepAlive: true });
  agent.createConnection = () => {
    opened += 1;
    return pair.open(port);
  };
  for (let round = 0; round < 3; round += 1) expect(await get({ agent })).toBe('again');
  expect(opened).toBe(1);
  agent.destroy();
});

test('an HTTP request that times out says so and can be aborted', async () => {
  const port = await listen(createHttpServer(() => {}));
  const pair = new LivePair();
  const outcome = await new Promise((resolve) => {
    const request = httpRequest({ path: '/', createConnection: () => pair.open(port) });
    request.setTimeout(20);
    request.on('timeout', () => request.destroy(new Error('too slow')));
    request.on('error', resolve).end();
  });
  expect(outcome).toMatchObject({ message: 'too slow' });
});

test.each(['while it is connecting', 'once it is connected'])(
  'tls.connect takes the socket %s',
  async (when) => {
    const port = await listen(
      createTlsServer({ key, cert }, (socket) => {
        socket.on('data', (chunk) => socket.end(`you said ${chunk}`));
      }),
    );
    const pair = new LivePair();
    const socket = pair.open(port);
    if (when === 'once it is connected') await new Promise((resolve) => socket.once('connect', resolve));
    const secure = connectTls({ socket, servername: 'target.test', ca: cert });
    secure.write('hello');
    expect(await text(secure)).toBe('you said hello');
    expect(secure.authorized).toBe(true);
  },
);

test('a TLS server that nobody trusts is an error of the TLS socket', async () => {
  const port = await listen(createTlsServer({ key, cert }));
  const secure = connectTls({ socket: new LivePair().open(port), servername: 'target.test' });
  const error = await new Promise((resolve) => secure.once('error', resolve));
  expect(error).toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
});

test('a refused target is an error with the system’s code', async () => {
  const server = createServer();
  const port = await listen(server);
  await new Promise((resolve) => server.close(resolve));
  await expect(get({ createConnection: () => new LivePair().open(port) })).rejects.toMatchObject({
    code: 'ECONNREFUSED',
  });
});

test('megabytes both ways with half-close come out exact', async () => {
  const echo = createServer({ allowHalfOpen: true }, (socket) => socket.pipe(socket));
  const port = await listen(echo);
  const socket = new LivePair().open(port, { allowHalfOpen: true });
  const sent = Buffer.alloc(5_000_000);
  for (let index = 0; index < sent.length; index += 1) sent[index] = (index * 7 + (index >> 9)) & 0xff;
  socket.end(sent);
  const chunks: Buffer[] = [];
  for await (const chunk of socket) chunks.push(chunk as Buffer);
  expect(Buffer.concat(chunks).equals(sent)).toBe(true);
});
