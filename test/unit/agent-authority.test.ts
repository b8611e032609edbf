import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import { type WebSocket, WebSocketServer } from 'ws';
import { startAgent } from '../../src/agent/index.ts';
import { decodeControl, encodeControl } from '../../src/protocol/control.ts';
import { frameTypes } from '../../src/protocol/frame.ts';
import { sessionId } from './pair.ts';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const hello = { version: 'test', maxMessageBytes: 266_240, inFlightBytes: 16_777_216 };
const attach = (principal: string, session = sessionId) =>
  encodeControl(frameTypes.ATTACH, session, { principal, grants: {} });

/** An agent and the broker's end of its link, played by the test: a broker that may say anything. */
async function agentOfAForgetfulBroker(maxSessions = 16) {
  const server = new WebSocketServer({ port: 0, host: '127.0.0.1' });
  await once(server, 'listening');
  undo.push(() => server.close());
  const connected = once(server, 'connection') as Promise<[WebSocket]>;
  const { port } = server.address() as { port: number };
  const started = startAgent({
    url: `ws://127.0.0.1:${port}`,
    token: 'not looked at here',
    node: 'edge-1',
    allow: ['127.0.0.1:*'],
    maxSessions,
  });
  const [link] = await connected;
  const answers: string[] = [];
  link.on('message', (data: Buffer) => {
    if (data.readBigUInt64BE() !== 0n) {
      answers.push('session message');
      return;
    }
    for (const { type, payload } of decodeControl(data)) {
      const said =
        payload.length === 0 ? '' : ` ${(JSON.parse(payload.toString()) as { code: string }).code}`;
      answers.push(`${Object.entries(frameTypes).find(([, number]) => number === type)?.[0]}${said}`);
    }
  });
  link.send(encodeControl(frameTypes.HELLO, 0n, hello));
  const agent = await started;
  undo.push(() => agent.close());
  return {
    agent,
    /** Sends, and answers what the agent said to it: PONG-like, a ping comes back after all before it. */
    async say(...messages: Uint8Array[]): Promise<string[]> {
      answers.length = 0;
      for (const message of messages) link.send(message);
      link.ping();
      await once(link, 'pong');
      return [...answers];
    },
  };
}

/** The dialer's first words, which begin the session: SYNC on stream 0. */
const begin = Buffer.from('0123456789abcdef07000000000000000000000000000000', 'hex');

test('a session belongs to the principal that began it, whatever the broker has forgotten', async () => {
  const { say } = await agentOfAForgetfulBroker();
  expect(await say(attach('alice'), begin)).toEqual(['ATTACH', 'session message']);
  expect(await say(attach('mallory'))).toEqual(['DETACH ERR_PRINCIPAL']);
  // Nothing of the stranger's is taken, and nothing is sent to its link.
  expect(await say(begin, begin)).toEqual([]);
  const again = await say(attach('alice'));
  expect(again[0]).toBe('ATTACH');
  expect(again).toContain('session message');
});

test('each ATTACH is answered once, in order', async () => {
  const { say } = await agentOfAForgetfulBroker();
  const said = await say(
    attach('alice'),
    attach('mallory'),
    attach('alice'),
    attach('bob', 7n),
    attach('alice', 7n),
  );
  expect(said.filter((answer) => answer !== 'session message')).toEqual([
    'ATTACH',
    'DETACH ERR_PRINCIPAL',
    'ATTACH',
    'ATTACH',
    'DETACH ERR_PRINCIPAL',
  ]);
});

test('sessions are bounded, messages without an ATTACH are dropped, and what is malformed is refused', async () => {
  const { agent, say } = await agentOfAForgetfulBroker(2);
  expect(await say(begin)).toEqual([]);
  expect(await say(attach('a', 1n), attach('b', 2n), attach('c', 3n))).toEqual([
    'ATTACH',
    'ATTACH',
    'DETACH ERR_STREAM_LIMIT',
  ]);
  expect(await say(encodeControl(frameTypes.ATTACH, 1n, { principal: 7 }))).toEqual(['DETACH ERR_PROTOCOL']);
  expect(agent.sessionCount).toBe(2);
});
