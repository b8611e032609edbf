// Rotation on live links: a link outlives its first token where a newer one says the same of its bearer.

import { once } from 'node:events';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { decodeJwt } from 'jose';
import { afterEach, expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import type { Identity } from '../../src/broker/identity.ts';
import { type Broker, mintToken, startBroker } from '../../src/broker/index.ts';
import { connect } from '../../src/client/index.ts';
import { watchPath } from '../../src/files/followed-file.ts';
import { FairleadError } from '../../src/protocol/errors.ts';
import { frameTypes } from '../../src/protocol/frame.ts';
import { RelayUnderTest } from './broker-fake-link.ts';

const secret = 'a secret for tests, long enough to sign with';

const undo: (() => unknown)[] = [];
afterEach(async () => {
  for (const step of undo.splice(0).reverse()) await step();
});

const dial: Identity = {
  kind: 'dial',
  principal: 'alice',
  nodes: ['edge-*'],
  targets: ['*:22'],
  tokenId: 'newer',
  expiresAt: 2000,
};
const agent: Identity = {
  kind: 'agent',
  principal: 'agent:edge-1',
  node: 'edge-1',
  routes: ['default'],
  tokenId: 'newer',
  expiresAt: 2000,
};

/** A relay that takes any token for this identity. */
function relayThatSees(identity: Identity | Error) {
  const verifyToken = async () => {
    if (identity instanceof Error) throw identity;
    return identity;
  };
  const relay = new RelayUnderTest({ verifyToken });
  const edge = relay.agent({ expiresAt: 1000, routes: ['default'] });
  const dialer = relay.acceptedDialer(1n, edge, { targets: ['*:22'], expiresAt: 1000 });
  return { relay, edge, dialer };
}

test.each(['agent', 'dial'] as const)('an %s link lasts as long as the newer token', async (kind) => {
  const { relay, edge, dialer } = relayThatSees(kind === 'agent' ? agent : dial);
  const link = kind === 'agent' ? edge : dialer;
  link.says(frameTypes.REAUTH, 0n, { token: 'newer' });
  await nextTurn();
  expect(link.heard()).toEqual(['REAUTH']);
  expect(link.saved).toMatchObject({ expiresAt: 2000, tokenId: 'newer' });
  relay.expire(1999);
  expect(link.closeCode).toBeUndefined();
  relay.expire(2000);
  expect([link.closeCode, link.closeReason]).toEqual([4401, 'the token has expired']);
});

test.each<[string, 'agent' | 'dial', Identity | Error, number, string]>([
  ['of another principal', 'dial', { ...dial, principal: 'mallory' }, 4401, 'another principal'],
  ['of an agent, of the same name', 'dial', { ...agent, principal: 'alice' }, 4401, 'another principal'],
  ['for other nodes', 'dial', { ...dial, nodes: ['other'] }, 4401, 'other grants'],
  ['for other targets', 'dial', { ...dial, targets: ['*:23'] }, 4401, 'other grants'],
  ['for all targets', 'dial', { ...dial, targets: undefined }, 4401, 'other grants'],
  ['for one target more', 'dial', { ...dial, targets: ['*:22', '*:23'] }, 4401, 'other grants'],
  ['of another agent', 'agent', { ...agent, principal: 'agent:edge-2' }, 4401, 'another principal'],
  ['for another node', 'agent', { ...agent, node: 'edge-2' }, 4401, 'other grants'],
  ['without a route that the link has', 'agent', { ...agent, routes: ['10.0.0.0/8'] }, 4401, 'other grants'],
  [
    'that was revoked',
    'agent',
    new FairleadError('ERR_UNAUTHORIZED', 'the token was revoked'),
    4401,
    'revoked',
  ],
])('a newer token %s ends the link', async (_name, kind, identity, code, reason) => {
  const { edge, dialer } = relayThatSees(identity);
  const link = kind === 'agent' ? edge : dialer;
  link.says(frameTypes.REAUTH, 0n, { token: 'newer' });
  await nextTurn();
  expect(link.closeCode).toBe(code);
  expect(link.closeReason).toContain(reason);
  expect(link.heard()).toEqual([]);
});

test.each<[string, object | undefined]>([
  ['nothing', undefined],
  ['no token', {}],
  ['an empty token', { token: '' }],
  ['a token that is no text', { token: 7 }],
  ['a token too long', { token: 'x'.repeat(8193) }],
])('REAUTH with %s is a broken protocol', async (_name, body) => {
  const { dialer } = relayThatSees(dial);
  dialer.says(frameTypes.REAUTH, 0n, body);
  await nextTurn();
  expect(dialer.closeCode).toBe(4400);
});

test('a second REAUTH before the first was answered is a broken protocol: one check at a time', async () => {
  const { dialer } = relayThatSees(dial);
  dialer.says(frameTypes.REAUTH, 0n, { token: 'newer' });
  dialer.says(frameTypes.REAUTH, 0n, { token: 'newer' });
  expect(dialer.closeCode).toBe(4400);
  await nextTurn();
  expect(dialer.heard()).toEqual([]);
});

test('a token that cannot be judged now changes nothing', async () => {
  const { relay, dialer } = relayThatSees(new FairleadError('ERR_BROKER_UNREACHABLE', 'no keys'));
  dialer.says(frameTypes.REAUTH, 0n, { token: 'newer' });
  await nextTurn();
  expect([dialer.closeCode, dialer.heard()]).toEqual([undefined, []]);
  relay.expire(1000);
  expect(dialer.closeCode).toBe(4401);
});

// ── with real links ────────────────────────────────────────────────────────────────────────────────

function endOf(token: string): number {
  return (decodeJwt(token).exp ?? 0) * 1000;
}

/** Resolves once every link of the broker is of the kind that `isSo` says. */
async function links(broker: Broker, isSo: (expiresAt: number) => boolean): Promise<void> {
  for (;;) {
    const ends = [...broker.relay.switchboard.links()].map(({ tag }) => tag.expiresAt);
    if (ends.length > 0 && ends.every(isSo)) return;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

async function broker(): Promise<Broker> {
  const started = await startBroker({ secret, port: 0 });
  undo.push(() => started.close());
  return started;
}

async function echo(): Promise<number> {
  const server = createServer((socket) => void socket.on('error', () => {}).pipe(socket));
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  undo.push(() => server.close());
  return (server.address() as AddressInfo).port;
}

test('agent and dialer show the newer token of a file that changed, and their stream outlives the first', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'fairlead-reauth-'));
  undo.push(() => rmSync(directory, { recursive: true }));
  const write = (name: string, token: string) => {
    writeFileSync(join(directory, 'new'), token);
    renameSync(join(directory, 'new'), join(directory, name));
  };
  const access = (name: string) => ({
    token: () => readFile(join(directory, name), 'utf8'),
    onTokenChange: (listener: () => void) => watchPath(join(directory, name), listener),
  });
  const mintAgent = (ttlSeconds: number) => mintToken({ secret, agent: 'edge-1', ttlSeconds });
  const mintDial = (ttlSeconds: number) => mintToken({ secret, dial: ['*'], subject: 'alice', ttlSeconds });
  const first = await mintAgent(3600);
  write('agent', first);
  write('dial', await mintDial(3600));
  const { url, relay, counters } = await broker().then(async (one) => {
    const edge = await startAgent({
      url: one.url,
      ...access('agent'),
      node: 'edge-1',
      allow: ['127.0.0.1:*'],
    });
    undo.push(() => edge.close());
    return one;
  });
  const client = connect({ url, ...access('dial') });
  undo.push(() => client.close());
  const socket = await client.dial({ node: 'edge-1', host: '127.0.0.1', port: await echo() });
  write('agent', await mintAgent(7200));
  write('dial', await mintDial(7200));
  await links({ relay } as Broker, (expiresAt) => expiresAt > endOf(first) + 1_000_000);
  relay.expire(endOf(first) + 10_000);
  socket.write('still here');
  const [chunk] = await once(socket, 'data');
  expect(String(chunk)).toBe('still here');
  expect(counters.closed[4401]).toBe(0);
  expect(counters.linksOpened).toBe(2);
  socket.destroy();
});

test('a token that is about to end is replaced by what its function gives then', async () => {
  const one = await broker();
  let token = await mintToken({ secret, agent: 'edge-1', ttlSeconds: 3 });
  const first = token;
  const edge = await startAgent({ url: one.url, token: () => token, node: 'edge-1', allow: [] });
  undo.push(() => edge.close());
  token = await mintToken({ secret, agent: 'edge-1', ttlSeconds: 3600 });
  await links(one, (expiresAt) => expiresAt > endOf(first));
  expect(one.counters.linksOpened).toBe(1);
});

test('an agent whose token was refused comes back at once when its file changes', async () => {
  const one = await broker();
  const listeners = new Set<() => void>();
  let token = await mintToken({ secret, agent: 'edge-1' });
  const onTokenChange = (listener: () => void) => {
    listeners.add(listener);
    return () => listeners.delete(listener);
  };
  const edge = await startAgent({
    url: one.url,
    token: () => token,
    onTokenChange,
    node: 'edge-1',
    allow: [],
  });
  token = 'of.no.use';
  one.relay.expire(Number.MAX_SAFE_INTEGER);
  while (one.counters.refused.unauthorized === 0) await new Promise((resolve) => setTimeout(resolve, 5));
  token = await mintToken({ secret, agent: 'edge-1' });
  for (const listener of listeners) listener();
  await links(one, () => true);
  await edge.close();
  expect(listeners.size).toBe(0);
});
