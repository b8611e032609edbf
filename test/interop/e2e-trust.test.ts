// Whose keys are taken end to end: by pin, by authority, within their dates, and only as long as they are trusted.

import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import { mintToken, startBroker } from '../../src/broker/index.ts';
import { connect, type E2eDialerOptions } from '../../src/client/index.ts';
import { makeIdentity } from '../../src/e2e/make-identity.ts';
import { Authority, type Issued } from '../rig/certificates.ts';
import { acquainted } from '../rig/identities.ts';
import { Network, Rig } from '../rig/rig.ts';
import { connectTo, listen } from '../rig/targets.ts';

type AgentOptions = Parameters<typeof startAgent>[0];

const secret = 'a secret for tests that is long enough';
const node = 'edge-1';

async function place(rig: Rig) {
  const { url, close } = await startBroker({ secret, port: 0, drainMs: 200 });
  rig.defer(close);
  const port = await listen(rig, (socket) => socket.pipe(socket));
  const agent = async (e2e: AgentOptions['e2e'], more: Partial<AgentOptions> = {}) => {
    const started = await startAgent({
      ...{ url, token: await mintToken({ secret, agent: node }), node, allow: ['127.0.0.1:*'] },
      ...{ e2e, ...more },
    });
    rig.defer(() => started.close());
    return started;
  };
  const client = async (
    e2e: E2eDialerOptions,
    targets?: string[],
    more: { readonly idleLinkMs?: number } = {},
  ) => {
    const token = await mintToken({ secret, dial: ['*'], targets });
    const made = connect({ url, token, e2e, ...more });
    rig.defer(() => made.close());
    return made;
  };
  /** What becomes of one dial: the echo, or code and message. */
  const attempt = async (e2e: E2eDialerOptions, targets?: string[]) => {
    const socket = (await client(e2e, targets)).dialStream({ node, host: '127.0.0.1', port });
    socket.end('hello');
    return text(socket).catch(({ code, message }: NodeJS.ErrnoException) => `${code}: ${message}`);
  };
  return { agent, client, attempt, port };
}

/** Something whose contents change, and that says so. */
function changeable(value: string) {
  const listeners = new Set<() => void>();
  return {
    read: () => value,
    change(next: string) {
      value = next;
      for (const listener of listeners) listener();
    },
    onChange: (listener: () => void) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

const pemOf = ({ key, cert }: Issued) => readFileSync(key, 'utf8') + readFileSync(cert, 'utf8');

test('a certificate that has expired is refused at either end, even where its key is known', async () => {
  await using rig = new Rig();
  const { agent, attempt } = await place(rig);
  const { agentSide, dialerSide } = await acquainted();
  const old = await makeIdentity('old', -60);
  const peers = `${agentSide.peers}${old.pin} old\n`;
  const first = await agent({ ...agentSide, peers });
  expect(await attempt({ ...dialerSide, key: old.pem })).toMatch(
    /^ERR_E2E: the dialer's certificate expired on/,
  );
  await first.close();
  await agent({ key: old.pem, peers });
  const known = { ...dialerSide, peers: `${old.pin} ${node}\n` };
  expect(await attempt(known)).toMatch(/^ERR_E2E: the agent's certificate expired on/);
});

test('an authority vouches for names: for the node at the dialer, for who may come at the agent', async () => {
  await using rig = new Rig();
  const { agent, attempt } = await place(rig);
  const [ours, theirs] = await Promise.all(['ours', 'theirs'].map((name) => Authority.create(rig, name)));
  if (ours === undefined || theirs === undefined) return;
  const ca = readFileSync(ours.cert, 'utf8');
  const right = await ours.issue('right', { san: `DNS:${node}`, usage: 'serverAuth' });
  const wrong = await ours.issue('wrong', { san: 'DNS:edge-2', subject: `/CN=${node}`, usage: 'serverAuth' });
  const alice = pemOf(await ours.issue('alice', { subject: '/CN=alice', usage: 'clientAuth' }));
  const robot = pemOf(await ours.issue('robot', { san: 'URI:spiffe://ours/ci', usage: 'clientAuth' }));
  const stranger = pemOf(await theirs.issue('stranger', { subject: '/CN=alice' }));
  const allow = ['127.0.0.1:*;key=alice', '127.0.0.1:*;key=spiffe:*'];

  const first = await agent({ key: pemOf(right), ca }, { allow });
  expect(await attempt({ key: alice, ca })).toBe('hello');
  expect(await attempt({ key: robot, ca })).toBe('hello');
  expect(await attempt({ key: stranger, ca })).toMatch(/^ERR_E2E: no authority that is known here vouches/);
  // A server's certificate is none for a dialer.
  expect(await attempt({ key: pemOf(right), ca })).toMatch(/^ERR_E2E: no authority .*INVALID_PURPOSE/);
  const other = readFileSync(theirs.cert, 'utf8');
  expect(await attempt({ key: alice, ca: other })).toMatch(
    /^ERR_E2E: no authority that is known here vouches/,
  );
  await first.close();

  await agent({ key: pemOf(wrong), ca });
  expect(await attempt({ key: alice, ca })).toMatch(/^ERR_E2E: .* is not for this node: its SAN must have/);
});

test('rules for keys bind what a token allows, and the token what rules for keys allow', async () => {
  await using rig = new Rig();
  const { agent, attempt, port } = await place(rig);
  const { agentSide, dialerSide } = await acquainted();
  const bob = await makeIdentity('bob', 3600);
  await agent(
    { ...agentSide, peers: `${agentSide.peers}${bob.pin} bob\n` },
    { allow: [`127.0.0.1:${port};key=alice`] },
  );
  expect(await attempt(dialerSide)).toBe('hello');
  expect(await attempt({ ...dialerSide, key: bob.pem })).toMatch(/^ERR_TARGET_DENIED/);
  expect(await attempt(dialerSide, ['127.0.0.1:1'])).toMatch(/^ERR_GRANT_DENIED/);
});

test('a key that is taken off the list ends its open streams, at whichever end, and no other', async () => {
  await using rig = new Rig();
  const { agent, client, port } = await place(rig);
  const { agentSide, dialerSide, alice } = await acquainted();
  const bob = await makeIdentity('bob', 3600);
  const both = `${alice.pin} alice\n${bob.pin} bob\n`;
  const dialers = changeable(both);
  const agents = changeable(dialerSide.peers);
  await agent({ key: agentSide.key, peers: dialers.read, onChange: dialers.onChange });
  const dial = async (key: string) => {
    const e2e = { key, peers: agents.read, onChange: agents.onChange };
    return (await client(e2e)).dial({ node, host: '127.0.0.1', port, allowHalfOpen: true });
  };
  const [hers, his] = [await dial(alice.pem), await dial(bob.pem)];
  const ended = once(hers, 'error');
  dialers.change(`${bob.pin} bob\n`);
  expect((await ended)[0]).toMatchObject({ code: 'ERR_E2E' });
  his.write('still here');
  expect(String((await once(his, 'data'))[0])).toBe('still here');
  await expect(dial(alice.pem)).rejects.toMatchObject({ code: 'ERR_E2E' });
  const ended2 = once(his, 'error');
  agents.change('');
  expect((await ended2)[0]).toMatchObject({ code: 'ERR_E2E' });
  agents.change(dialerSide.peers);
  dialers.change(both);
  (await dial(alice.pem)).destroy();
});

test('a new key of the agent is used from then on, and open streams stay', async () => {
  await using rig = new Rig();
  const { agent, client, port } = await place(rig);
  const { agentSide, dialerSide, agent: before } = await acquainted();
  const after = await makeIdentity('after', 3600);
  const key = changeable(agentSide.key);
  await agent({ key: key.read, peers: agentSide.peers, onChange: key.onChange });
  const peers = `${before.pin} ${node}\n${after.pin} ${node}\n`;
  const broker = await client({ ...dialerSide, peers });
  const to = { node, host: '127.0.0.1', port, allowHalfOpen: true };
  const open = await broker.dial(to);
  key.change(after.pem);
  const onlyNew = await client({ ...dialerSide, peers: `${after.pin} ${node}\n` });
  for (const socket of [open, await broker.dial(to), await onlyNew.dial(to)]) {
    socket.end('as ever');
    expect(await text(socket)).toBe('as ever');
  }
});

test('an agent that drains lets go of spares at once, and streams go on', async () => {
  await using rig = new Rig();
  const { agent, client, port } = await place(rig);
  const { agentSide, dialerSide } = await acquainted();
  const serving = await agent(agentSide);
  const socket = await (await client(dialerSide)).dial({
    node,
    host: '127.0.0.1',
    port,
    allowHalfOpen: true,
  });
  await expect.poll(() => serving.streamCount).toBe(2);
  const drained = serving.drain(30_000);
  await expect.poll(() => serving.streamCount).toBe(1);
  socket.end('to the end');
  expect(await text(socket)).toBe('to the end');
  await drained;
});

test('a link whose streams are only spares is idle, and closed', async () => {
  await using rig = new Rig();
  const { agent, client, port } = await place(rig);
  const { agentSide, dialerSide } = await acquainted();
  const serving = await agent(agentSide);
  const broker = await client(dialerSide, undefined, { idleLinkMs: 60 });
  const to = { node, host: '127.0.0.1', port };
  const socket = await broker.dial(to);
  await expect.poll(() => serving.streamCount).toBe(2);
  socket.end();
  await expect.poll(() => serving.sessionCount).toBe(0);
  const again = broker.dialStream(to);
  again.end('again');
  expect(await text(again)).toBe('again');
});

test('the commands follow their lists, keep the last good one, and say what is wrong with a bad one', async () => {
  await using rig = new Rig();
  const { agentSide, dialerSide } = await acquainted();
  rig.write('agent.pem', agentSide.key);
  rig.write('alice.pem', dialerSide.key);
  rig.write('dialers', agentSide.peers);
  rig.write('agents', dialerSide.peers);
  const network = await Network.start(rig, '127.0.0.1:*', [
    ...['--e2e-key', rig.path('agent.pem'), '--e2e-peers', rig.path('dialers'), '--e2e-require'],
  ]);
  const port = await listen(rig, (socket) => socket.pipe(socket));
  const forward = rig.fairlead(
    ...['forward', ...network.access(), '--e2e', '--e2e-key', rig.path('alice.pem')],
    ...['--e2e-peers', rig.path('agents'), `0:edge-1:127.0.0.1:${port}`],
  );
  const [local = 0] = await forward.ports();
  const talk = async () => {
    const socket = connectTo(local).on('error', () => {});
    socket.end('hello');
    return text(socket).catch(() => 'broken');
  };
  expect(await talk()).toBe('hello');
  rig.write('dialers', 'sha256:short alice\n');
  await network.agent.said(/"event":"e2e-reload-failed".*line 1 of the list of peers is malformed/);
  expect(await talk()).toBe('hello');
  const open = connectTo(local).on('error', () => {});
  open.write('x');
  await once(open, 'data');
  rig.write('dialers', '# nobody\n');
  await new Promise((resolve) => open.once('close', resolve));
  expect(await talk()).not.toBe('hello');
  await forward.said(/does not know the dialer's key sha256:/);
  rig.write('dialers', agentSide.peers);
  await expect.poll(talk, { timeout: 20_000 }).toBe('hello');
});
