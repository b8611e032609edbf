// Protocols that take over a connection, through a proxy path: WebSocket with a real client and server, and at byte
// level what SPDY does.

import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { WebSocket, WebSocketServer } from 'ws';
import { serveHttp } from '../rig/http-target.ts';
import { Rig } from '../rig/rig.ts';
import { Site } from '../rig/site.ts';
import { connectTo, listen, pattern } from '../rig/targets.ts';

test('a WebSocket echoes through the gateway, and its end is the end of everything', async () => {
  await using rig = new Rig();
  const target = await serveHttp(rig, (_request, response) => response.end());
  const server = new WebSocketServer({
    server: target.server,
    handleProtocols: (offered) => (offered.has('echo.v2') ? 'echo.v2' : false),
  });
  server.on('connection', (socket) =>
    socket.on('message', (data, isBinary) => socket.send(data, { binary: isBinary })),
  );
  const site = await Site.start(rig);
  const socket = new WebSocket(site.url(`/proxy/hosts/127.0.0.1:${target.port}/live?x=1`), [
    'echo.v1',
    'echo.v2',
  ]);
  await once(socket, 'open');
  expect(socket.protocol).toBe('echo.v2');
  const echoed = once(socket, 'message');
  socket.send(pattern);
  expect(pattern.equals((await echoed)[0])).toBe(true);
  expect(site.left).toMatchObject({ clients: 1, targets: 1 });
  socket.close(4000, 'done');
  expect(await once(socket, 'close')).toEqual([4000, Buffer.from('done')]);
  await site.until(({ clients, targets, streams }) => clients + targets + streams === 0);
  server.close();
});

/** A target that has read a whole head, with what it read. */
async function answering(
  rig: Rig,
  answer: (socket: Socket, head: string, early: Buffer) => void,
): Promise<number> {
  return await listen(rig, (socket) => {
    let got = Buffer.alloc(0);
    const onData = (chunk: Buffer) => {
      got = Buffer.concat([got, chunk]);
      const end = got.indexOf('\r\n\r\n');
      if (end < 0) return;
      socket.off('data', onData).pause();
      answer(socket, got.subarray(0, end).toString('latin1'), got.subarray(end + 4));
    };
    socket.on('data', onData);
  });
}

function spdyRequest(port: number, more = 'Content-Length: 0\r\n'): string {
  return [
    `POST /proxy/nodes/edge-1:${port}/exec/default/web?command=ls HTTP/1.1`,
    'Host: 127.0.0.1',
    'Connection: Upgrade',
    'Upgrade: SPDY/3.1',
    'X-Stream-Protocol-Version: v4.channel.k8s.io',
    'X-Stream-Protocol-Version: v3.channel.k8s.io',
    `${more}\r\n`,
  ].join('\r\n');
}

test('a POST to SPDY/3.1 switches; the bytes right behind both heads are not lost, and each side may end first', async () => {
  await using rig = new Rig();
  const heads: string[] = [];
  const port = await answering(rig, (socket, head, early) => {
    heads.push(head);
    socket.unshift(early);
    const answer = 'HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n';
    socket.write(`${answer}X-Stream-Protocol-Version: v4.channel.k8s.io\r\n\r\nserver first,`);
    let all = '';
    socket.on('data', (chunk) => {
      all += chunk;
    });
    socket.on('end', () => socket.end(` then the reply to ${all}`));
    socket.resume();
  });
  const site = await Site.start(rig);
  const socket = connectTo(site.port());
  socket.write(`${spdyRequest(port)}client first`);
  let got = '';
  socket.on('data', (chunk) => {
    got += chunk;
  });
  await expect.poll(() => got).toContain('server first,');
  socket.end(', client last');
  await once(socket, 'end');
  const [head = '', body] = got.split('\r\n\r\n');
  expect(body).toBe('server first, then the reply to client first, client last');
  expect(head.split('\r\n')).toEqual([
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: SPDY/3.1',
    'X-Stream-Protocol-Version: v4.channel.k8s.io',
    'Connection: Upgrade',
    expect.stringMatching(/^X-Request-Id: [\w-]{21}$/),
  ]);
  const [asked = ''] = heads;
  expect(asked.split('\r\n')[0]).toBe('POST /exec/default/web?command=ls HTTP/1.1');
  expect(asked).toContain('Connection: Upgrade\r\nUpgrade: SPDY/3.1');
  expect(asked.match(/X-Stream-Protocol-Version/g)).toHaveLength(2);
  await site.until(({ clients, targets, streams }) => clients + targets + streams === 0);
});

test('a refusal instead of 101 is passed on as it is', async () => {
  await using rig = new Rig();
  const port = await answering(rig, (socket) =>
    socket.end(
      'HTTP/1.1 426 Upgrade first\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nContent-Length: 7\r\n\r\nno spdy',
    ),
  );
  const site = await Site.start(rig);
  const socket = connectTo(site.port());
  socket.write(spdyRequest(port));
  const [head = '', body] = (await text(socket)).split('\r\n\r\n');
  expect(head.split('\r\n')).toEqual([
    'HTTP/1.1 426 Upgrade first',
    'Upgrade: websocket',
    'Content-Length: 7',
    'Connection: close, Upgrade',
    expect.stringMatching(/^X-Request-Id: [\w-]{21}$/),
  ]);
  expect(body).toBe('no spdy');
  socket.end();
  await site.until(({ clients, targets, streams }) => clients + targets + streams === 0);
});

test.each([
  ['a body', 'Content-Length: 3\r\n', 400],
  ['a chunked body', 'Transfer-Encoding: chunked\r\n', 400],
])('a request to switch that has %s is refused', async (_what, more, status) => {
  await using rig = new Rig();
  const port = await answering(rig, () => expect.unreachable('the target was asked'));
  const site = await Site.start(rig);
  const socket = connectTo(site.port());
  socket.write(`${spdyRequest(port, more)}abc`);
  expect(await text(socket)).toMatch(new RegExp(`^HTTP/1.1 ${status} `));
  socket.end();
  await site.until(({ clients, targets, streams }) => clients + targets + streams === 0);
});

test('a target that hangs up instead of switching is 502, and one that switches unasked is, too', async () => {
  await using rig = new Rig();
  const gone = await answering(rig, (socket) => socket.end());
  const unasked = await answering(rig, (socket) =>
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n'),
  );
  const site = await Site.start(rig);
  const upgrading = connectTo(site.port());
  upgrading.write(spdyRequest(gone));
  expect(await text(upgrading)).toMatch(/^HTTP\/1.1 502 [\s\S]*ECONNRESET/);
  upgrading.end();
  const plain = connectTo(site.port());
  plain.write(`GET /proxy/nodes/edge-1:${unasked}/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`);
  expect(await text(plain)).toMatch(/^HTTP\/1.1 502 /);
  plain.end();
  await site.until(({ clients, targets, streams }) => clients + targets + streams === 0);
});

test('whoever breaks a switched connection breaks it for the other', async () => {
  await using rig = new Rig();
  const targets: Socket[] = [];
  const port = await answering(rig, (socket) => {
    targets.push(socket);
    socket.write('HTTP/1.1 101 OK\r\nConnection: Upgrade\r\nUpgrade: SPDY/3.1\r\n\r\n');
    socket.resume();
  });
  const site = await Site.start(rig);
  for (const breaker of ['client', 'target']) {
    const client = connect(site.port(), '127.0.0.1');
    client.on('error', () => {});
    client.write(spdyRequest(port));
    await once(client, 'data');
    const target = targets.pop();
    if (target === undefined) throw new Error('the target was not asked');
    const [breaks, other] = breaker === 'client' ? [client, target] : [target, client];
    const closed = new Promise((resolve) => other.once('close', resolve));
    breaks.resetAndDestroy();
    await closed;
    await site.until((left) => left.clients + left.targets + left.streams === 0);
  }
});

test('a client that leaves before the target has agreed to switch takes its request back', async () => {
  await using rig = new Rig();
  const port = await answering(rig, (socket) => socket.resume());
  const site = await Site.start(rig);
  const client = connect(site.port(), '127.0.0.1');
  client.write(spdyRequest(port));
  await site.until(({ targets }) => targets === 1);
  client.resetAndDestroy();
  await site.until(({ clients, targets, streams }) => clients + targets + streams === 0);
});
