// Requests that are open at a proxy path while the broker is killed and started again, with real processes.

import { once } from 'node:events';
import { type IncomingMessage, request } from 'node:http';
import { expect, test } from 'vitest';
import { Gateway } from '../rig/gateway.ts';
import { serveHttp } from '../rig/http-target.ts';
import { Network, Rig } from '../rig/rig.ts';
import { readPattern, writePattern } from '../rig/targets.ts';

const bytes = 4_000_000;
/** So slow that it cannot be over before the broker is killed. */
const bytesPerSecond = 3_000_000;

test('an answer and an upload that are under way when the broker is killed arrive whole, and once', async () => {
  await using rig = new Rig();
  const uploads: Promise<number>[] = [];
  const target = await serveHttp(rig, (incoming, response) => {
    if (incoming.method === 'GET') void writePattern(response as never, bytes, bytesPerSecond);
    else {
      const read = readPattern(incoming as never);
      uploads.push(read);
      read.then((count) => response.end(`read ${count}`)).catch(() => response.destroy());
    }
  });
  const network = await Network.start(rig);
  const gateway = await Gateway.start(rig, network, '--proxy', '127.0.0.1:0');
  const ask = (method: string) =>
    request({ port: gateway.port(), path: `/proxy/nodes/edge-1:${target.port}/`, method, agent: false });

  const download = ask('GET').end();
  const [answer] = (await once(download, 'response')) as [IncomingMessage];
  const downloaded = readPattern(answer as never);
  const upload = ask('POST');
  const replied = once(upload, 'response') as Promise<[IncomingMessage]>;
  const sent = writePattern(upload as never, bytes, bytesPerSecond);
  // Both are under way.
  await once(answer, 'data');
  await expect.poll(() => uploads.length).toBe(1);
  await network.broker.kill();
  await network.agent.said(/"event":"link-down"/);
  await network.startBroker();

  expect(await downloaded).toBe(bytes);
  await sent;
  const [reply] = await replied;
  expect(reply.statusCode).toBe(200);
  expect(String(await once(reply, 'data'))).toBe(`read ${bytes}`);
  expect(uploads).toHaveLength(1);
});
