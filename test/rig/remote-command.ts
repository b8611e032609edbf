// What happens in the one container that the stub kubelet has: commands are real processes on this machine, a port is
// a port of 127.0.0.1. Knows nothing of how its streams travel.

import { spawn } from 'node:child_process';
import { connect } from 'node:net';
import type { Duplex, Readable, Writable } from 'node:stream';

/** The streams of one exec or attach; those that the client did not ask for are missing. */
export interface RemoteStreams {
  readonly stdin?: Readable | undefined;
  readonly stdout?: Writable | undefined;
  readonly stderr?: Writable | undefined;
  /** The last word: a Kubernetes Status, as JSON. */
  finish(status: object): void;
}

export function runCommand(command: readonly string[], streams: RemoteStreams): void {
  const [program = 'true', ...args] = command;
  const child = spawn(program, args, { stdio: 'pipe' });
  child.on('error', (error) => streams.finish(failure(error.message)));
  child.stdin.on('error', () => {});
  if (streams.stdin === undefined) child.stdin.end();
  else streams.stdin.on('close', () => child.stdin.end()).pipe(child.stdin);
  // The status ends the session, so all output goes before it.
  if (streams.stdout !== undefined) child.stdout.pipe(streams.stdout, { end: false });
  if (streams.stderr !== undefined) child.stderr.pipe(streams.stderr, { end: false });
  child.once('close', (code) => streams.finish(code === 0 ? success : exited(code ?? 255)));
}

/** Joins a stream to a port; answers what to say where that fails. */
export function forwardPort(port: number, stream: Duplex, failed: (message: string) => void): void {
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true });
  socket.on('error', (error) => {
    failed(error.message);
    stream.destroy();
  });
  stream.on('error', () => socket.destroy());
  stream.on('close', () => socket.destroySoon());
  stream.pipe(socket).pipe(stream);
}

const status = { kind: 'Status', apiVersion: 'v1', metadata: {} };
const success = { ...status, status: 'Success' };

function failure(message: string): object {
  return { ...status, status: 'Failure', message, reason: 'InternalError', code: 500 };
}

function exited(code: number): object {
  return {
    ...status,
    status: 'Failure',
    message: `command terminated with non-zero exit code: exit status ${code}`,
    reason: 'NonZeroExitCode',
    details: { causes: [{ reason: 'ExitCode', message: String(code) }] },
  };
}
