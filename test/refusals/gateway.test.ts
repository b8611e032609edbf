// What the gateway refuses over HTTP CONNECT and SOCKS5, with its status or reply; the same gateway opens a good
// tunnel by each after all of them.

import { once } from 'node:events';
import { type AddressInfo, connect as connectTcp, createServer, type Server } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import { mintToken, startBroker } from '../../src/broker/index.ts';
import { connect } from '../../src/client/index.ts';
import { type Gateway, startGateway } from '../../src/gateway/index.ts';
import { connectRows, socksRows } from './gateway-rows.ts';
import { exchange } from './raw-http.ts';

const secret = 'a secret of the refusals, long enough for HS256';
const undo: (() => unknown)[] = [];
let gateway: Gateway;
let target: Server;

beforeAll(async () => {
  target = createServer((socket) => socket.on('error', () => {}).end('served'));
  target.listen(0, '127.0.0.1');
  await once(target, 'listening');
  const broker = await startBroker({ secret, port: 0 });
  const token = await mintToken({ secret, agent: 'edge-1', routes: ['127.0.0.1'] });
  const allow = [`127.0.0.1:${targetPort()}`];
  const agent = await startAgent({ url: broker.url, token, node: 'edge-1', routes: ['127.0.0.1'], allow });
  const client = connect({ url: broker.url, token: await mintToken({ secret, dial: ['*'] }) });
  const loopback = { kind: 'tcp', host: '127.0.0.1', port: 0 } as const;
  gateway = await startGateway({ broker: client, httpConnect: [loopback], socks5: [loopback] });
  undo.push(
    () => target.close(),
    () => broker.close(),
    () => agent.close(),
    () => client.close(),
    () => gateway.close(),
  );
});
afterAll(async () => {
  for (const step of undo.reverse()) await step();
});

const targetPort = () => (target.address() as AddressInfo).port;
const portOf = (index: number) => Number(gateway.addresses[index]?.split(':').at(-1));

test.each(connectRows)('$name', async ({ line, target: to, headers = '', status, code, says }) => {
  const head = `${line ?? `CONNECT ${to} HTTP/1.1`}\r\n${headers.replace('{port}', String(targetPort()))}\r\n`;
  const answer = await exchange(portOf(0), head);
  expect(answer).toMatchObject({ status, code });
  expect(answer.message).toContain(says);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: there must be none
  expect(answer.message).not.toMatch(/[\u0000-\u001f\u007f-\u009f]/);
});

/** Everything that comes until the gateway ends the connection. */
async function said(port: number, bytes: Buffer): Promise<Buffer> {
  const socket = connectTcp(port, '127.0.0.1', () => socket.write(bytes));
  const chunks: Buffer[] = [];
  socket.on('data', (chunk) => chunks.push(chunk));
  socket.on('error', () => {});
  await once(socket, 'close');
  return Buffer.concat(chunks);
}

test.each(socksRows)('SOCKS5: $name', async ({ hex, answer }) => {
  expect((await said(portOf(1), Buffer.from(hex.replaceAll(' ', ''), 'hex'))).toString('hex')).toBe(answer);
});

test('after all of them the same gateway opens a good tunnel by each', async () => {
  const connected = await said(portOf(0), Buffer.from(`CONNECT 127.0.0.1:${targetPort()} HTTP/1.1\r\n\r\n`));
  expect(connected.toString()).toMatch(/^HTTP\/1\.1 200 .*served$/s);
  const port = Buffer.from([targetPort() >> 8, targetPort() & 0xff]);
  const byName = Buffer.concat([Buffer.from('0501000501000309', 'hex'), Buffer.from('127.0.0.1'), port]);
  expect((await said(portOf(1), byName)).toString('latin1')).toMatch(/served$/);
});
