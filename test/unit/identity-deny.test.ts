// Revocation: what a deny list names is refused, and closed where it is open.

import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import { silentLog } from '../../src/broker/broker-log.ts';
import { parseDenyList, Revocations } from '../../src/broker/identity-deny.ts';
import { followDenyFile, mintToken, startBroker } from '../../src/broker/index.ts';
import { connect } from '../../src/client/index.ts';
import { frameTypes } from '../../src/protocol/frame.ts';
import { RelayUnderTest } from './broker-fake-link.ts';

const secret = 'a secret for tests, long enough to sign with';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const dialer = { kind: 'dial', principal: 'alice', tokenId: 'a-1', node: 'edge-1' } as const;
const agent = { kind: 'agent', principal: 'agent:edge-1', tokenId: 'b-1', node: 'edge-1' } as const;

test.each([
  ['nothing', '', false, false],
  ['comments', '# nobody\n\n   # yet\n', false, false],
  ['a token', 'jti a-1', true, false],
  ['a principal', '  sub   alice  \r\n', true, false],
  ['a principal with spaces in its name', 'sub agent:edge-1\nsub alice the second', false, true],
  ['a node: its agents, and not those who dial it', 'node edge-1', false, true],
  ['both tokens', '# stolen\njti a-1\njti b-1\n', true, true],
  ['others', 'jti a\nsub alic\nnode edge\n', false, false],
  ['JSON', '{"jti":["a-1"],"node":["edge-1"]}', true, true],
  ['empty JSON', ' {}', false, false],
])('a deny list of %s', (_name, text, deniesDialer, deniesAgent) => {
  const revocations = new Revocations(parseDenyList(text));
  expect(revocations.includes(dialer)).toBe(deniesDialer);
  expect(revocations.includes(agent)).toBe(deniesAgent);
});

test.each([
  ['a word', 'alice', 'line 1'],
  ['a field that there is not', 'jti a\nuser alice', 'line 2'],
  ['a field without a value', 'sub', 'line 1'],
  ['a value too long', `sub ${'x'.repeat(513)}`, 'line 1'],
  ['too many entries', 'jti x\n'.repeat(100_001), 'line 100001'],
  ['half of JSON', '{"jti":["a"', 'begins as JSON'],
  ['another field in JSON', '{"user":["a"]}', 'user'],
  ['a value that is no list', '{"sub":"alice"}', 'sub'],
  ['an entry that is no text', '{"sub":[7]}', 'sub'],
  ['an empty entry', '{"sub":[""]}', 'sub'],
])('a deny list with %s is refused whole', (_name, text, message) => {
  expect(() => parseDenyList(text)).toThrowError(
    expect.objectContaining({ code: 'ERR_CONFIG', message: expect.stringContaining(message) }),
  );
});

test('revoking closes those links with 4401 and leaves the others', () => {
  const relay = new RelayUnderTest();
  const edge = relay.agent();
  const alice = relay.acceptedDialer(1n, edge, { principal: 'alice' });
  const bob = relay.acceptedDialer(2n, edge, { principal: 'bob' });
  relay.revoke(({ principal }) => principal === 'alice');
  expect([alice.closeCode, alice.closeReason]).toEqual([4401, 'the token was revoked']);
  expect([bob.closeCode, edge.closeCode]).toEqual([undefined, undefined]);
  expect(edge.heard()).toEqual(['DETACH 0000000000000001']);
  bob.sends(2n, 'still here');
  expect(edge.heard()).toEqual(['still here']);
  bob.says(frameTypes.PING);
  expect(bob.heard()).toEqual(['PONG']);
});

/** A broker that follows a deny file, an agent of `edge-1` and a client of it. */
async function network() {
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-deny-'));
  undo.push(() => rmSync(directory, { recursive: true }));
  const file = join(directory, 'deny');
  writeFileSync(file, '# nobody\n');
  const { revocations, close } = await followDenyFile(file, silentLog);
  undo.push(close);
  const broker = await startBroker({ secret, port: 0, revocations });
  undo.push(() => broker.close());
  const token = await mintToken({ secret, agent: 'edge-1' });
  const edge = await startAgent({ url: broker.url, token, node: 'edge-1', allow: ['127.0.0.1:*'] });
  undo.push(() => edge.close());
  const client = connect({
    url: broker.url,
    token: await mintToken({ secret, dial: ['*'], subject: 'alice' }),
  });
  undo.push(() => client.close());
  return { directory, file, revocations, broker, client };
}

/** Resolves once so many links were closed with 4401. */
async function closings(
  broker: { counters: { closed: Record<string, number> } },
  count: number,
): Promise<void> {
  while ((broker.counters.closed[4401] ?? 0) < count) await new Promise((resolve) => setTimeout(resolve, 5));
}

test('a node that is written into the deny file loses its agent, and another one is refused', async () => {
  const { file, broker, client } = await network();
  expect(await client.nodes()).toHaveLength(1);
  writeFileSync(file, 'node edge-1\n');
  await closings(broker, 1);
  expect(await client.nodes()).toEqual([]);
  const token = await mintToken({ secret, agent: 'edge-1' });
  const options = { url: broker.url, token, node: 'edge-1', allow: ['127.0.0.1:*'] };
  await expect(startAgent(options)).rejects.toMatchObject({
    code: 'ERR_UNAUTHORIZED',
    message: expect.stringContaining('the token was revoked'),
  });
});

test('a deny file that is replaced by rename is followed; one that is malformed or gone changes nothing', async () => {
  const { directory, file, revocations, client } = await network();
  const replaced = () => new Promise<void>((resolve) => void revocations.onReplaced(resolve));
  let next = replaced();
  writeFileSync(join(directory, 'new'), '{"sub":["alice"]}');
  renameSync(join(directory, 'new'), file);
  await next;
  await expect(client.nodes()).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
  writeFileSync(file, '{"sub":["al');
  rmSync(file);
  next = replaced();
  writeFileSync(join(directory, 'new'), 'sub alice\nsub bob\n');
  renameSync(join(directory, 'new'), file);
  await next;
  expect(revocations.includes({ kind: 'dial', principal: 'bob' })).toBe(true);
  next = replaced();
  writeFileSync(file, '# all is forgiven\n');
  await next;
  expect(await client.nodes()).toHaveLength(1);
});
