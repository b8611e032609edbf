import { expect, test } from 'vitest';
import { Network, Rig } from '../rig/rig.ts';
import { CuttableProxy, connectTo, listen, readPattern, writePattern } from '../rig/targets.ts';

const mebibyte = 1024 * 1024;

test('a broker killed with SIGKILL every second breaks no stream and no byte of eight transfers', {
  timeout: 180_000,
}, async () => {
  await using rig = new Rig();
  const bytes = 24 * mebibyte;
  // Slow enough that every transfer lives through several kills: 4 s of sending each.
  const rate = 6 * mebibyte;
  const uploads: Promise<number>[] = [];
  const target = await listen(rig, (socket) => {
    uploads.push(readPattern(socket));
    void writePattern(socket, bytes, rate);
  });
  const network = await Network.start(rig);
  const port = await network.forward(target);
  const sockets = Array.from({ length: 8 }, () => connectTo(port));
  const downloads = sockets.map((socket) => readPattern(socket));
  for (const socket of sockets) void writePattern(socket, bytes, rate);

  let done = false;
  const all = Promise.all(downloads).finally(() => {
    done = true;
  });
  all.catch(() => {});
  let kills = 0;
  while (!done) {
    await new Promise((resolve) => setTimeout(resolve, 1000));
    if (done) break;
    await network.broker.kill('SIGKILL');
    kills += 1;
    await network.startBroker();
  }
  expect(await all).toEqual(Array(8).fill(bytes));
  expect(uploads.length).toBe(8);
  expect(await Promise.all(uploads)).toEqual(Array(8).fill(bytes));
  expect(kills).toBeGreaterThanOrEqual(5);
});

test("a dialer's link cut by force resumes, again and again", async () => {
  await using rig = new Rig();
  const bytes = 32 * mebibyte;
  let uploaded: Promise<number> = Promise.resolve(0);
  const target = await listen(rig, (socket) => {
    uploaded = readPattern(socket);
    void writePattern(socket, bytes, 8 * mebibyte);
  });
  const network = await Network.start(rig);
  const proxy = await CuttableProxy.start(rig, network.port);
  const socket = connectTo(await network.forward(target, proxy.port));
  const downloaded = readPattern(socket);
  void writePattern(socket, bytes, 8 * mebibyte);
  let cuts = 0;
  for (let n = 0; n < 5; n += 1) {
    await new Promise((resolve) => setTimeout(resolve, 600));
    if (proxy.cut() > 0) cuts += 1;
  }
  expect(await downloaded).toBe(bytes);
  expect(await uploaded).toBe(bytes);
  expect(cuts).toBeGreaterThanOrEqual(3);
});

test('on SIGTERM a broker asks its peers to move, and their streams go on with the next one', async () => {
  await using rig = new Rig();
  const bytes = 24 * mebibyte;
  const target = await listen(rig, (socket) => void writePattern(socket, bytes, 6 * mebibyte));
  const network = await Network.start(rig);
  const socket = connectTo(await network.forward(target));
  const downloaded = readPattern(socket);
  await new Promise((resolve) => socket.once('data', resolve));
  const old = network.broker;
  expect(await old.kill('SIGTERM')).toBe(0);
  expect(old.log).toContain('"event":"broker-draining"');
  await network.startBroker();
  expect(await downloaded).toBe(bytes);
});

test('a second signal ends a draining broker at once', async () => {
  await using rig = new Rig();
  const network = await Network.start(rig);
  // A peer that cannot leave keeps the drain waiting.
  network.agent.child.kill('SIGSTOP');
  network.broker.child.kill('SIGTERM');
  await network.broker.said(/"event":"broker-draining"/);
  expect(await network.broker.kill('SIGTERM')).toBe(143);
  network.agent.child.kill('SIGCONT');
});
