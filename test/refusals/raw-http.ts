// HTTP as bytes on a socket, for requests that no client would send.

import { connect } from 'node:net';

export interface RawAnswer {
  /** 0 where the connection ended without a response. */
  readonly status: number;
  /** `error.code` and `error.message` of the body, empty where it has none. */
  readonly code: string;
  readonly message: string;
  readonly head: string;
}

export type Header = readonly [name: string, value: string];

/** Longest that a test waits for a server which should have answered at once, in ms. */
const patienceMs = 10_000;

export function requestText(line: string, headers: readonly Header[]): string {
  return `${line}\r\n${headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')}\r\n`;
}

/** Sends the bytes and answers what came back: to the end, or to the head of a 101. */
export function exchange(port: number, bytes: string | Buffer): Promise<RawAnswer> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes));
    let received = '';
    const done = () => {
      clearTimeout(timer);
      socket.destroy();
      resolve(parse(received));
    };
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no end after ${received.slice(0, 200)}`));
    }, patienceMs);
    socket.on('data', (chunk) => {
      received += chunk.toString('latin1');
      if (received.startsWith('HTTP/1.1 101') && received.includes('\r\n\r\n')) done();
      else if (isWhole(received)) done();
    });
    socket.on('error', () => {});
    socket.on('close', done);
  });
}

function isWhole(text: string): boolean {
  const [head = '', body] = text.split('\r\n\r\n', 2);
  const length = /^content-length: (\d+)$/im.exec(head)?.[1];
  return body !== undefined && length !== undefined && body.length >= Number(length);
}

function parse(text: string): RawAnswer {
  const [head = '', body = ''] = text.split('\r\n\r\n', 2);
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(head)?.[1] ?? 0);
  let error: { code?: unknown; message?: unknown } = {};
  try {
    error = JSON.parse(body).error ?? {};
  } catch {
    // Not one of the broker's own answers.
  }
  return { status, head, code: String(error.code ?? ''), message: String(error.message ?? '') };
}
