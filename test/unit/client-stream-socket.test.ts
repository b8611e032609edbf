// StreamSocket against a fake stream: what programs expect of a net.Socket.

import { once } from 'node:events';
import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type StreamPort, StreamSocket, type StreamSocketOptions } from '../../src/link/stream-socket.ts';
import { FairleadError } from '../../src/protocol/errors.ts';
import { headroomBytes } from '../../src/protocol/frame.ts';

/** Takes what it is given while `hasRoom`, and remembers it. */
class FakePort implements StreamPort {
  readonly written: Buffer[] = [];
  readonly segments: number[] = [];
  hasRoom = true;
  ended = 0;
  resets: string[] = [];
  credit = 0;

  write(chunk: Uint8Array): boolean {
    this.written.push(Buffer.from(chunk));
    return this.hasRoom;
  }
  writeSegment(buffer: Uint8Array, payloadBytes: number): boolean {
    this.segments.push(payloadBytes);
    return this.write(buffer.subarray(headroomBytes, headroomBytes + payloadBytes));
  }
  end(): void {
    this.ended += 1;
  }
  reset(code: string): void {
    this.resets.push(code);
  }
  consumed(bytes: number): void {
    this.credit += bytes;
  }
  get text(): string {
    return Buffer.concat(this.written).toString();
  }
}

function openSocket(options?: StreamSocketOptions): { port: FakePort; socket: StreamSocket } {
  const port = new FakePort();
  const socket = new StreamSocket(options);
  socket.attach(port);
  socket.streamHandler.accepted?.({ address: '10.0.0.7', port: 22, family: 'IPv4' });
  return { port, socket };
}

function text(value: string): Uint8Array {
  return new TextEncoder().encode(value);
}

test('it is connecting until the agent accepts, then says where it is connected', async () => {
  const port = new FakePort();
  const socket = new StreamSocket();
  socket.attach(port);
  expect([socket.connecting, socket.readyState, socket.remoteAddress]).toEqual([true, 'opening', undefined]);
  const events: string[] = [];
  socket.on('connect', () => events.push('connect'));
  socket.on('ready', () => events.push('ready'));
  socket.streamHandler.accepted?.({ address: '::1', port: 443, family: 'IPv6' });
  expect(events).toEqual(['connect', 'ready']);
  expect([socket.connecting, socket.readyState]).toEqual([false, 'open']);
  expect([socket.remoteAddress, socket.remotePort, socket.remoteFamily]).toEqual(['::1', 443, 'IPv6']);
  expect(socket.localAddress).toBeUndefined();
});

test('what is written before there is a stream goes out, ended, once there is one', async () => {
  const port = new FakePort();
  const socket = new StreamSocket();
  socket.end('early');
  await turn();
  socket.attach(port);
  await once(socket, 'finish');
  expect(port.text).toBe('early');
  expect(port.ended).toBe(1);
});

test('writes made together are handed over as one segment', async () => {
  const { port, socket } = openSocket();
  port.hasRoom = false;
  socket.write('a');
  for (const part of ['b'.repeat(3000), 'c'.repeat(3000), 'd']) socket.write(part);
  port.hasRoom = true;
  socket.streamHandler.writable();
  await turn();
  expect(port.written.length).toBe(2);
  expect(port.segments).toEqual([6001]);
  expect(port.text).toBe(`a${'b'.repeat(3000)}${'c'.repeat(3000)}d`);
});

test('a large write is cut into segments and stops when the stream is full', async () => {
  const { port, socket } = openSocket();
  const bytes = Buffer.alloc(200_000, 'xyz');
  port.hasRoom = false;
  let isDone = false;
  expect(
    socket.write(bytes, () => {
      isDone = true;
    }),
  ).toBe(false);
  await turn();
  expect(port.segments).toEqual([65_024]);
  port.hasRoom = true;
  socket.streamHandler.writable();
  await turn();
  expect(isDone).toBe(true);
  expect(Buffer.concat(port.written).equals(bytes)).toBe(true);
  expect(socket.bytesWritten).toBe(200_000);
});

test('bytes written count at once, taken or not', async () => {
  const { port, socket } = openSocket();
  port.hasRoom = false;
  socket.write('12345');
  socket.write('678');
  expect(socket.bytesWritten).toBe(8);
  socket.streamHandler.writable();
  port.hasRoom = true;
  socket.streamHandler.writable();
  await turn();
  expect(socket.bytesWritten).toBe(8);
});

test('credit goes back only for what the reader has room for', async () => {
  const { port, socket } = openSocket();
  const chunk = Buffer.alloc(60_000, 1);
  for (let index = 0; index < 10; index += 1) socket.streamHandler.data(chunk);
  await turn();
  // Nobody reads: not even the Readable's own buffer fills before it is asked.
  expect(port.credit).toBeLessThanOrEqual(120_000);
  let received = 0;
  socket.on('data', (data: Buffer) => {
    received += data.length;
  });
  await turn();
  await turn();
  expect(received).toBe(600_000);
  expect(port.credit).toBe(600_000);
  expect(socket.bytesRead).toBe(600_000);
});

test('a paused reader gets no more and gives no more credit', async () => {
  const { port, socket } = openSocket();
  socket.on('data', () => socket.pause());
  socket.streamHandler.data(Buffer.alloc(60_000));
  await turn();
  for (let index = 0; index < 20; index += 1) socket.streamHandler.data(Buffer.alloc(60_000));
  await turn();
  expect(port.credit).toBeLessThanOrEqual(240_000);
  expect(port.credit).toBeLessThan(21 * 60_000);
});

test('single bytes arrive in order and do not keep their messages', async () => {
  const { socket } = openSocket();
  const expected = Array.from({ length: 50_000 }, (_, index) => index % 251);
  const message = new Uint8Array(1);
  for (const byte of expected) {
    message[0] = byte;
    socket.streamHandler.data(message);
  }
  socket.streamHandler.end();
  const received: number[] = [];
  for await (const chunk of socket) received.push(...(chunk as Buffer));
  expect(received).toEqual(expected);
});

test('with allowHalfOpen it can still write after the peer has ended', async () => {
  const { port, socket } = openSocket({ allowHalfOpen: true });
  socket.resume();
  socket.streamHandler.end();
  await once(socket, 'end');
  await turn();
  expect(port.ended).toBe(0);
  socket.end('last words');
  await once(socket, 'finish');
  expect(port.text).toBe('last words');
  expect(port.ended).toBe(1);
  expect(port.resets).toEqual([]);
});

test('without allowHalfOpen it ends its side when the peer has ended', async () => {
  const { port, socket } = openSocket();
  socket.resume();
  socket.streamHandler.end();
  await once(socket, 'finish');
  expect(port.ended).toBe(1);
});

test('end() still lets it read what the peer sends', async () => {
  const { port, socket } = openSocket();
  socket.end('request');
  await once(socket, 'finish');
  socket.streamHandler.data(text('response'));
  socket.streamHandler.end();
  let received = '';
  for await (const chunk of socket) received += chunk;
  expect(received).toBe('response');
  expect(port.ended).toBe(1);
});

test('"close" waits until the peer has everything, and then comes without an error', async () => {
  const { port, socket } = openSocket();
  let isClosed = false;
  socket.on('close', () => {
    isClosed = true;
  });
  socket.resume();
  socket.end('bytes on their way');
  socket.streamHandler.end();
  await once(socket, 'finish');
  await turn();
  await turn();
  expect([socket.destroyed, isClosed]).toEqual([true, false]);
  socket.streamHandler.closed(undefined);
  await turn();
  expect(isClosed).toBe(true);
  expect(port.resets).toEqual([]);
});

test('bytes that never arrived are an error even where both sides had ended', async () => {
  const { socket } = openSocket();
  socket.resume();
  socket.end('lost');
  socket.streamHandler.end();
  await once(socket, 'finish');
  await turn();
  await turn();
  const failed = once(socket, 'error');
  socket.streamHandler.closed(new FairleadError('ERR_RESUME_TIMEOUT', 'the agent did not come back'));
  expect((await failed)[0]).toMatchObject({ code: 'ERR_RESUME_TIMEOUT' });
});

test('destroy resets the stream and a waiting write fails', async () => {
  const { port, socket } = openSocket();
  port.hasRoom = false;
  const failed = new Promise((resolve) => socket.write('stuck', resolve));
  const boom = new Error('boom');
  const error = once(socket, 'error');
  socket.destroy(boom);
  expect((await error)[0]).toBe(boom);
  expect(await failed).toBe(boom);
  expect(port.resets).toEqual(['ERR_ABORTED']);
  socket.streamHandler.data(text('too late'));
  expect(port.credit).toBe(0);
});

test('destroySoon hands over what was written before it goes', async () => {
  const { port, socket } = openSocket();
  port.hasRoom = false;
  socket.write('all of it');
  socket.destroySoon();
  expect(socket.destroyed).toBe(false);
  port.hasRoom = true;
  socket.streamHandler.writable();
  await once(socket, 'finish');
  expect(socket.destroyed).toBe(true);
  // The peer goes on for a moment; nobody reads it, and its credit is not held back.
  socket.streamHandler.data(text('unread'));
  expect(port.credit).toBe(6);
  expect(port.resets).toEqual([]);
  const closed = once(socket, 'close');
  socket.streamHandler.closed(undefined);
  await closed;
});

test('a reset from the peer is an error with its code', async () => {
  const { port, socket } = openSocket();
  const failed = once(socket, 'error');
  socket.streamHandler.closed(new FairleadError('ECONNRESET', 'the target reset the connection'));
  expect((await failed)[0]).toMatchObject({ code: 'ECONNRESET' });
  expect(port.resets).toEqual([]);
  expect(socket.destroyed).toBe(true);
});

test('a socket destroyed before its stream was open resets the stream', () => {
  const port = new FakePort();
  const socket = new StreamSocket();
  socket.destroy();
  socket.attach(port);
  expect(port.resets).toEqual(['ERR_ABORTED']);
});

test('"timeout" comes after inactivity, not while bytes go, and leaves the socket open', async () => {
  const { socket } = openSocket();
  let timeouts = 0;
  socket.on('timeout', () => {
    timeouts += 1;
  });
  expect(socket.setTimeout(10)).toBe(socket);
  expect(socket.timeout).toBe(10);
  await once(socket, 'timeout');
  expect(timeouts).toBe(1);
  expect(socket.destroyed).toBe(false);
  // Activity arms it again.
  socket.write('x');
  await once(socket, 'timeout');
  expect(timeouts).toBe(2);
  const seen = (): void => {};
  socket.setTimeout(5, seen);
  socket.setTimeout(0, seen);
  expect(socket.listenerCount('timeout')).toBe(1);
});

test('what nobody could have meant as a timeout is refused', () => {
  const { socket } = openSocket();
  expect(() => socket.setTimeout(Number.NaN)).toThrow(RangeError);
  expect(() => socket.setTimeout(-1)).toThrow(RangeError);
});

test('ref and unref say whether the socket keeps the process alive', () => {
  const holds: boolean[] = [];
  const socket = new StreamSocket();
  socket.attach(new FakePort(), (value) => holds.push(value));
  socket.unref().unref();
  socket.ref();
  socket.streamHandler.closed(undefined);
  socket.unref();
  expect(holds).toEqual([true, false, true, false]);
});
