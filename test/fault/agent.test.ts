import { createServer } from 'node:net';
import { expect, test } from 'vitest';
import { connect } from '../../src/client/index.ts';
import { Network, Rig } from '../rig/rig.ts';
import { connectTo, listen, pattern, readPattern, writePattern } from '../rig/targets.ts';

const mebibyte = 1024 * 1024;

test('an agent that dies and comes back: its old streams end with a typed error, new dials work', async () => {
  await using rig = new Rig();
  const target = await listen(rig, (socket) => socket.pipe(socket));
  const network = await Network.start(rig);
  await using broker = connect({ url: network.url, token: network.dialToken, resumeWindowMs: 2000 });
  const old = await broker.dial({ node: 'edge-1', host: '127.0.0.1', port: target });
  const failed = new Promise((resolve) => old.once('error', resolve));
  await network.agent.kill('SIGKILL');
  const again = network.startAgent();
  await again.ports();
  const fresh = await broker.dial({ node: 'edge-1', host: '127.0.0.1', port: target });
  fresh.write('hello');
  expect(String(await new Promise((resolve) => fresh.once('data', resolve)))).toBe('hello');
  expect(await failed).toMatchObject({ code: 'ERR_RESUME_TIMEOUT' });
  fresh.destroy();
});

test('a stalled reader beside a live stream stops only itself, and is read to the exact end later', async () => {
  await using rig = new Rig();
  const bytes = 64 * mebibyte;
  const target = await listen(rig, (socket) => void writePattern(socket, bytes));
  const network = await Network.start(rig);
  const port = await network.forward(target);
  const stalled = connectTo(port);
  stalled.pause();
  // Both share the forward's one link and session.
  expect(await readPattern(connectTo(port))).toBe(bytes);
  expect(await readPattern(connectTo(port))).toBe(bytes);
  expect(stalled.readableLength).toBeLessThan(bytes);
  const rest = readPattern(stalled);
  stalled.resume();
  expect(await rest).toBe(bytes);
});

test('on SIGTERM an agent lets open streams finish and takes no new ones', async () => {
  await using rig = new Rig();
  const bytes = 12 * mebibyte;
  const target = await listen(rig, (socket) => void writePattern(socket, bytes, 4 * mebibyte));
  const network = await Network.start(rig);
  await using broker = connect({ url: network.url, token: network.dialToken });
  const open = connectTo(await network.forward(target));
  const downloaded = readPattern(open);
  await new Promise((resolve) => open.once('data', resolve));
  network.agent.child.kill('SIGTERM');
  await network.agent.said(/draining/);
  await expect(broker.dial({ node: 'edge-1', host: '127.0.0.1', port: target })).rejects.toMatchObject({
    code: expect.stringMatching(/ERR_NODE_UNREACHABLE|ERR_DRAINING/),
  });
  expect(await downloaded).toBe(bytes);
  open.destroy();
  expect(await network.agent.exited).toBe(0);
});

test('what has not finished when the drain is over is reset with a code', async () => {
  await using rig = new Rig();
  const target = await listen(rig, (socket) => socket.pipe(socket));
  const network = await Network.start(rig, '127.0.0.1:*', ['--drain', '1']);
  await using broker = connect({ url: network.url, token: network.dialToken });
  const open = await broker.dial({ node: 'edge-1', host: '127.0.0.1', port: target });
  const failed = new Promise((resolve) => open.once('error', resolve));
  network.agent.child.kill('SIGTERM');
  expect(await failed).toMatchObject({ code: 'ERR_STOPPED' });
  expect(await network.agent.exited).toBe(0);
});

test('each way for a dial to fail arrives as its own typed error, and the next dial works', async () => {
  await using rig = new Rig();
  const target = await listen(rig, (socket) => socket.end(pattern.subarray(0, 5)));
  const closed = createServer();
  await new Promise<void>((resolve) => closed.listen(0, '127.0.0.1', resolve));
  const { port: closedPort } = closed.address() as { port: number };
  await new Promise((resolve) => closed.close(resolve));
  const network = await Network.start(rig);
  const allowed = await rig.token('--dial', 'edge-1', '--target', `127.0.0.1:${target}`);
  const elsewhere = await rig.token('--dial', 'other-*');
  await using broker = connect({ url: network.url, token: network.dialToken });
  await using limited = connect({ url: network.url, token: allowed });
  await using stranger = connect({ url: network.url, token: elsewhere });
  await using forger = connect({ url: network.url, token: `${network.dialToken.slice(0, -8)}AAAAAAAA` });
  const to = (host: string, port: number, node = 'edge-1') => ({ node, host, port });
  await expect(broker.dial(to('127.0.0.1', closedPort))).rejects.toMatchObject({ code: 'ECONNREFUSED' });
  await expect(broker.dial(to('10.0.0.1', 80))).rejects.toMatchObject({ code: 'ERR_TARGET_DENIED' });
  await expect(broker.dial(to('169.254.169.254', 80))).rejects.toMatchObject({ code: 'ERR_TARGET_DENIED' });
  await expect(broker.dial(to('no-such-host.invalid', 80))).rejects.toMatchObject({
    code: expect.stringMatching(/ENOTFOUND|ERR_TARGET_DENIED/),
  });
  await expect(broker.dial(to('127.0.0.1', target, 'nobody'))).rejects.toMatchObject({
    code: expect.stringMatching(/ERR_FORBIDDEN/),
  });
  await expect(broker.dial(to('127.0.0.1', target, 'edge-2'))).rejects.toMatchObject({
    code: 'ERR_NODE_UNREACHABLE',
  });
  await expect(limited.dial(to('127.0.0.1', closedPort))).rejects.toMatchObject({ code: 'ERR_GRANT_DENIED' });
  await expect(stranger.dial(to('127.0.0.1', target))).rejects.toMatchObject({ code: 'ERR_FORBIDDEN' });
  await expect(forger.dial(to('127.0.0.1', target))).rejects.toMatchObject({ code: 'ERR_UNAUTHORIZED' });
  const works = await limited.dial(to('127.0.0.1', target));
  expect(works.remotePort).toBe(target);
  const said: Buffer[] = [];
  for await (const chunk of works) said.push(chunk as Buffer);
  expect(Buffer.concat(said).equals(pattern.subarray(0, 5))).toBe(true);
});

test('a path that falls silent is noticed without a word from it, and the agent comes back', async () => {
  await using rig = new Rig();
  const target = await listen(rig, (socket) => socket.end(pattern.subarray(0, 5)));
  const network = await Network.start(rig);
  // Stopped, the broker keeps its connections and answers nothing, as a path does that drops every packet.
  network.broker.child.kill('SIGSTOP');
  await network.agent.said(/nothing was heard of the broker/);
  network.broker.child.kill('SIGCONT');
  await network.agent.said(/link-down.*registered with the broker/s);
  await using broker = connect({ url: network.url, token: network.dialToken });
  const socket = await broker.dial({ node: 'edge-1', host: '127.0.0.1', port: target });
  expect(socket.remotePort).toBe(target);
  socket.destroy();
});
