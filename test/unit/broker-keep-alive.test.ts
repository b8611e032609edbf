// Keep-alive on a clock that the test moves.

import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { defaultKeepAlive, KeepAlive } from '../../src/broker/keep-alive.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

class Peer {
  bytesRead = 0;
  isPaused = false;
  pings = 0;

  ping(): void {
    this.pings++;
  }
}

function watch(peer: Peer): { lost: Peer[]; keepAlive: KeepAlive<Peer> } {
  const lost: Peer[] = [];
  const keepAlive = new KeepAlive<Peer>(defaultKeepAlive, (link) => lost.push(link));
  keepAlive.add(peer);
  return { lost, keepAlive };
}

test('a peer that is heard is pinged only to measure the way', () => {
  const peer = new Peer();
  const { lost } = watch(peer);
  for (let i = 0; i < 60; i++) {
    peer.bytesRead++;
    vi.advanceTimersByTime(1000);
  }
  expect([peer.pings, lost.length]).toEqual([4, 0]);
});

test('a peer that answers pings stays', () => {
  const peer = new Peer();
  const { lost } = watch(peer);
  peer.ping = () => {
    peer.bytesRead += 2;
  };
  vi.advanceTimersByTime(600_000);
  expect(lost).toEqual([]);
});

test('a silent peer is pinged after 5 s and given up within 20 s, once', () => {
  const peer = new Peer();
  const { lost } = watch(peer);
  vi.advanceTimersByTime(5000);
  expect(peer.pings).toBe(1);
  vi.advanceTimersByTime(9999);
  expect(lost).toEqual([]);
  vi.advanceTimersByTime(5000);
  expect(lost).toEqual([peer]);
  vi.advanceTimersByTime(60_000);
  expect(lost).toEqual([peer]);
});

test('a link that we have paused is not taken for dead', () => {
  const peer = new Peer();
  peer.isPaused = true;
  const { lost } = watch(peer);
  vi.advanceTimersByTime(60_000);
  expect(lost).toEqual([]);
  expect(peer.pings).toBeGreaterThan(5);
});

test('nothing is left running after stop', () => {
  const { keepAlive } = watch(new Peer());
  keepAlive.stop();
  expect(vi.getTimerCount()).toBe(0);
});

test('links that came one after the other are not all pinged in one turn', () => {
  const keepAlive = new KeepAlive<Peer>(defaultKeepAlive, () => {});
  const peers: Peer[] = [];
  for (let i = 0; i < 250; i++) {
    const peer = new Peer();
    keepAlive.add(peer);
    peers.push(peer);
    vi.advanceTimersByTime(10);
  }
  const pings = () => peers.reduce((sum, peer) => sum + peer.pings, 0);
  let most = 0;
  for (let i = 0; i < 500; i++) {
    const before = pings();
    vi.advanceTimersByTime(10);
    most = Math.max(most, pings() - before);
  }
  expect(pings()).toBe(250);
  expect(most).toBeLessThanOrEqual(10);
  keepAlive.stop();
});
