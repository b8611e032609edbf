// Kubernetes' streams over SPDY/3.1, which kubectl before 1.31 speaks: one SPDY stream for each of stdin, stdout, stderr
// and the error, named by its `streamtype`.

import type { Duplex } from 'node:stream';
import transport, { type SpdyStream } from 'spdy-transport';
import parser from 'spdy-transport/lib/spdy-transport/protocol/spdy/parser.js';
import { forwardPort, type RemoteStreams } from './remote-command.ts';

// Kubernetes opens streams without a method and a path, which the package insists on.
const create = parser.create.bind(parser);
parser.create = (options) => {
  const made = create(options);
  const parse = made.parseKVs.bind(made);
  made.parseKVs = (block, parsed) =>
    parse(block, (error, fields) => parsed(error, fields && { ':method': 'POST', ':path': '/', ...fields }));
  return made;
};

function accept(socket: Duplex, head: Buffer, protocol: string, opened: (stream: SpdyStream) => void): void {
  socket.write(
    [
      'HTTP/1.1 101 Switching Protocols',
      'Connection: Upgrade',
      'Upgrade: SPDY/3.1',
      `X-Stream-Protocol-Version: ${protocol}\r\n\r\n`,
    ].join('\r\n'),
  );
  if (head.length > 0) socket.unshift(head);
  const connection = transport.connection.create(socket, { protocol: 'spdy', isServer: true });
  connection.on('error', () => socket.destroy());
  connection.on('stream', (stream) => {
    // What is sent after the client has gone: its session is over, and it knows.
    stream.on('error', () => {});
    stream.respond(200, {});
    opened(stream);
  });
  connection.start(3.1);
}

/** Calls `open` once the client has opened every stream that it asked for. */
export function spdyStreams(
  socket: Duplex,
  head: Buffer,
  wanted: URLSearchParams,
  open: (streams: RemoteStreams) => void,
): void {
  const names = ['stdin', 'stdout', 'stderr'].filter((name) => wanted.get(name) === 'true');
  const streams = new Map<string, SpdyStream>();
  accept(socket, head, 'v4.channel.k8s.io', (stream) => {
    streams.set(stream.headers.streamtype ?? '', stream);
    if (streams.size !== names.length + 1) return;
    open({
      stdin: streams.get('stdin'),
      stdout: streams.get('stdout'),
      stderr: streams.get('stderr'),
      finish(status) {
        for (const name of ['stdout', 'stderr']) streams.get(name)?.end();
        streams.get('error')?.end(JSON.stringify(status));
      },
    });
  });
}

/** Each connection to the client's port is two streams with one `requestid`: an error stream, then the data. */
export function spdyPorts(socket: Duplex, head: Buffer): void {
  const errors = new Map<string, SpdyStream>();
  accept(socket, head, 'portforward.k8s.io', (stream) => {
    const { streamtype, port, requestid = '' } = stream.headers;
    if (streamtype === 'error') {
      errors.set(requestid, stream);
      return;
    }
    forwardPort(Number(port), stream, (message) => void errors.get(requestid)?.end(message));
    stream.once('close', () => errors.get(requestid)?.end());
  });
}
