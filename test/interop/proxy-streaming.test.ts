// Bodies, trailers and interim responses through a proxy path: as they come, in both directions, with nothing kept.

import { once } from 'node:events';
import { Agent, type ClientRequest, type IncomingMessage, type RequestOptions, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { serveHttp } from '../rig/http-target.ts';
import { Rig } from '../rig/rig.ts';
import { Site } from '../rig/site.ts';
import { listen, pattern } from '../rig/targets.ts';

function ask(site: Site, port: number, options: RequestOptions = {}): ClientRequest {
  return request(site.url(`/proxy/nodes/edge-1:${port}${options.path ?? '/'}`), {
    agent: false,
    ...options,
    path: `/proxy/nodes/edge-1:${port}${options.path ?? '/'}`,
  });
}

async function answerOf(asked: ClientRequest): Promise<IncomingMessage> {
  const [response] = (await once(asked, 'response')) as [IncomingMessage];
  return response;
}

test('chunks and trailers pass both ways, each chunk when it comes', async () => {
  await using rig = new Rig();
  const target = await serveHttp(rig, (incoming, response) => {
    response.writeHead(200, { Trailer: 'X-Sum' });
    incoming.on('data', (chunk) => response.write(chunk));
    incoming.on('end', () => {
      response.addTrailers({ 'X-Sum': `sum of ${incoming.trailers['x-client-sum']}` });
      response.end();
    });
  });
  const site = await Site.start(rig);
  const asked = ask(site, target.port, {
    method: 'POST',
    headers: { Trailer: 'X-Client-Sum', TE: 'trailers' },
  });
  asked.write('first');
  const response = await answerOf(asked);
  // The request has not ended: what comes now came through.
  expect(String(await once(response, 'data'))).toBe('first');
  asked.write('second');
  expect(String(await once(response, 'data'))).toBe('second');
  asked.addTrailers({ 'X-Client-Sum': '42' });
  asked.end();
  response.resume();
  await once(response, 'end');
  expect(response.trailers).toEqual({ 'x-sum': 'sum of 42' });
  await site.empty();
});

test('a head arrives before the first byte of its body', async () => {
  await using rig = new Rig();
  const go: (() => void)[] = [];
  const target = await serveHttp(rig, (_incoming, response) => {
    response.flushHeaders();
    go.push(() => response.end('late'));
  });
  const site = await Site.start(rig);
  const response = await answerOf(ask(site, target.port).end());
  expect(go).toHaveLength(1);
  go[0]?.();
  expect(await text(response)).toBe('late');
  await site.empty();
});

test('a client that expects "100 Continue" hears it from the target', async () => {
  await using rig = new Rig();
  let bodyBytes = 0;
  const target = await serveHttp(rig, () => {});
  target.server.on('checkContinue', (incoming, response) => {
    if (incoming.url === '/no') {
      response.writeHead(413, { Connection: 'close' }).end('too much');
      return;
    }
    response.writeContinue();
    incoming.on('data', (chunk: Buffer) => {
      bodyBytes += chunk.length;
    });
    incoming.on('end', () => response.end(String(bodyBytes)));
  });
  const site = await Site.start(rig);
  const headers = { Expect: '100-continue', 'Content-Length': 1_000 };
  const asked = ask(site, target.port, { method: 'PUT', headers });
  asked.flushHeaders();
  await once(asked, 'continue');
  expect(bodyBytes).toBe(0);
  asked.end(Buffer.alloc(1_000));
  expect(await text(await answerOf(asked))).toBe('1000');
  const refused = ask(site, target.port, { method: 'PUT', headers, path: '/no' });
  refused.on('continue', () => expect.unreachable('the target did not say so'));
  refused.flushHeaders();
  const response = await answerOf(refused);
  // Whether the body still comes cannot be known: nothing else may follow on this connection.
  expect([response.statusCode, response.headers.connection]).toEqual([413, 'close']);
  refused.destroy();
  await site.empty();
});

test('early hints go before their answer', async () => {
  await using rig = new Rig();
  const target = await serveHttp(rig, (_incoming, response) => {
    response.writeEarlyHints({ link: '</style.css>; rel=preload' });
    response.end('answer');
  });
  const site = await Site.start(rig);
  const asked = ask(site, target.port).end();
  const [[hints], response] = await Promise.all([once(asked, 'information'), answerOf(asked)]);
  expect(hints).toMatchObject({ statusCode: 103, headers: { link: '</style.css>; rel=preload' } });
  expect(await text(response)).toBe('answer');
  await site.empty();
});

test('HEAD, 204 and 304 have no body, and the connection serves what comes after', async () => {
  await using rig = new Rig();
  const target = await serveHttp(rig, (incoming, response) => {
    if (incoming.url === '/204') response.writeHead(204).end();
    else if (incoming.url === '/304') response.writeHead(304, { ETag: '"x"' }).end();
    else response.writeHead(200, { 'Content-Length': 5 }).end('hello');
  });
  const site = await Site.start(rig);
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  rig.defer(() => agent.destroy());
  const got: unknown[] = [];
  for (const [method, path] of [
    ['HEAD', '/'],
    ['GET', '/204'],
    ['GET', '/304'],
    ['GET', '/'],
  ] as const) {
    const response = await answerOf(ask(site, target.port, { agent, method, path }).end());
    got.push([response.statusCode, response.headers['content-length'], await text(response)]);
  }
  expect(got).toEqual([
    [200, '5', ''],
    [204, undefined, ''],
    [304, undefined, ''],
    [200, '5', 'hello'],
  ]);
  expect(site.left.clients).toBe(1);
  await site.empty();
});

test('an HTTP/1.0 client gets a chunked answer whole, and its end by the end of the connection', async () => {
  await using rig = new Rig();
  const target = await serveHttp(rig, (_incoming, response) => {
    response.write('one ');
    response.end('two');
  });
  const site = await Site.start(rig);
  const socket = connect(site.port(), '127.0.0.1');
  socket.write(`GET /proxy/nodes/edge-1:${target.port}/ HTTP/1.0\r\n\r\n`);
  const [head = '', body] = (await text(socket)).split('\r\n\r\n');
  expect(head.toLowerCase()).not.toContain('transfer-encoding');
  expect(body).toBe('one two');
  await site.empty();
});

test('a client that leaves takes its request at the target with it', async () => {
  await using rig = new Rig();
  let haveLeft = 0;
  const target = await serveHttp(rig, (_incoming, response) => {
    response.once('close', () => {
      haveLeft += 1;
    });
    response.write('some');
  });
  const site = await Site.start(rig);
  const asked = ask(site, target.port).end();
  asked.on('error', () => {});
  await once(await answerOf(asked), 'data');
  asked.destroy();
  await expect.poll(() => haveLeft).toBe(1);
  await site.until(({ targets, streams, clients }) => targets + streams + clients === 0);
});

test('a client that leaves before its answer cancels the request, and the dial', async () => {
  await using rig = new Rig();
  const target = await serveHttp(rig, () => {});
  const site = await Site.start(rig);
  const silent = await listen(rig, () => {});
  for (const port of [target.port, silent]) {
    const asked = ask(site, port).end();
    asked.on('error', () => {});
    await site.until(({ targets }) => targets === 1);
    asked.destroy();
    await site.until(({ targets, streams, clients }) => targets + streams + clients === 0);
  }
});

test('a target that leaves before its answer is 502; in the middle of it, the client is cut', async () => {
  await using rig = new Rig();
  const target = await serveHttp(rig, (incoming, response) => {
    if (incoming.url === '/before') {
      incoming.socket.destroy();
      return;
    }
    response.writeHead(200, incoming.url === '/length' ? { 'Content-Length': 100 } : {});
    response.write('half', () => incoming.socket.destroy());
  });
  const site = await Site.start(rig);
  const before = await answerOf(ask(site, target.port, { path: '/before', method: 'POST' }).end());
  expect(before.statusCode).toBe(502);
  expect(JSON.parse(await text(before)).error.code).toBe('ECONNRESET');
  for (const path of ['/length', '/chunked']) {
    const response = await answerOf(ask(site, target.port, { path }).end());
    await expect(text(response)).rejects.toThrow('aborted');
  }
  await site.empty();
});

test('a target that answers before it has read a body is heard, and the rest is not held', async () => {
  await using rig = new Rig();
  const target = await serveHttp(rig, (_incoming, response) => {
    response.writeHead(403).end('no');
  });
  const site = await Site.start(rig);
  const body = 'y'.repeat(3_000_000);
  const asked = ask(site, target.port, { method: 'PUT', headers: { 'Content-Length': body.length } });
  asked.end(body);
  const response = await answerOf(asked);
  expect([response.statusCode, await text(response)]).toEqual([403, 'no']);
  await site.empty();
});

test('requests that may be sent twice share a connection; one that the target gave up meanwhile is made again', async () => {
  await using rig = new Rig();
  const target = await serveHttp(rig, (_incoming, response) => response.end('here'), undefined, {
    keepAliveTimeout: 60_000,
  });
  const site = await Site.start(rig);
  const get = async (method: string) => await text(await answerOf(ask(site, target.port, { method }).end()));
  expect([await get('GET'), await get('GET'), target.accepted()]).toEqual(['here', 'here', 1]);
  expect([await get('POST'), target.accepted()]).toEqual(['here', 2]);
  // The target hangs up; whether the gateway knows by the time of the next request is a matter of luck.
  for (const socket of target.open) socket.resetAndDestroy();
  expect(await get('GET')).toBe('here');
  await site.empty();
  await expect.poll(() => target.open.size).toBe(0);
});

test('an upload stops when its target stops reading', async () => {
  await using rig = new Rig();
  const target = await serveHttp(rig, (incoming, response) => {
    incoming.pause();
    response.flushHeaders();
    incoming.once('close', () => response.destroy());
  });
  const site = await Site.start(rig);
  const total = 128 << 20;
  const asked = ask(site, target.port, { method: 'PUT', headers: { 'Content-Length': total } });
  asked.on('error', () => {});
  let written = 0;
  const write = () => {
    while (written < total) {
      written += pattern.length;
      if (!asked.write(pattern)) return;
    }
  };
  asked.on('drain', write);
  write();
  await answerOf(asked);
  await expect
    .poll(
      async () => {
        const before = written;
        await sleep(300);
        return written - before;
      },
      { timeout: 20_000 },
    )
    .toBe(0);
  expect(written).toBeLessThan(64 << 20);
  // Nobody reads the client's connection now; that the target leaves ends it all the same.
  for (const socket of target.open) socket.destroy();
  await site.until(({ clients, targets }) => clients + targets === 0);
  await site.empty();
});
