// `fairlead dial`: one stream as stdin and stdout, so that it fits where a command is wanted, such as ssh's
// ProxyCommand. Nothing but the stream's bytes may go to stdout.

import { closeSync, createWriteStream, fstatSync, openSync } from 'node:fs';
import { Socket } from 'node:net';
import { devNull } from 'node:os';
import type { Writable } from 'node:stream';
import { finished, pipeline } from 'node:stream/promises';
import { isatty } from 'node:tty';
import type { Command } from 'commander';
import { connect, type StreamSocket } from '../client/index.ts';
import { errorTypeOf } from '../tracing/dial-tracer.ts';
import { type HostPort, parseNode, parseTarget } from './address.ts';
import { addBrokerOptions, type BrokerOptions, brokerAccess } from './credentials.ts';
import { addE2eDialOptions, type E2eDialFlags, e2eDialing } from './e2e-options.ts';
import { exitCodes } from './failure.ts';
import { addLogOption, createLog, type LogOptions } from './log.ts';
import { endsOfProcess, showsProgress, sizeOf, startProgress } from './progress.ts';
import { exitCodeOfSignal, firstSignal } from './signals.ts';
import { openTracing } from './tracing.ts';

interface DialOptions extends BrokerOptions, E2eDialFlags, LogOptions {
  /** Undefined: where it is of use. */
  readonly progress?: boolean;
}

export function addDialCommand(program: Command): void {
  const command = program
    .command('dial')
    .description('Connects stdin and stdout to a target that the agent of NODE reaches.')
    .argument('<node>', 'whose agent connects', parseNode)
    .argument('<host:port>', 'what it connects to; or unix:/PATH', parseTarget)
    .option(
      '--progress',
      'say on stderr how it goes, with pipes, too; default: where a file is sent or received',
    )
    .option('--no-progress', 'never say how it goes')
    .addHelpText(
      'after',
      [
        '',
        'How a transfer goes is only ever shown on a terminal, after a second, and is gone when it ends.',
        '',
        'Examples:',
        '  tar c . | fairlead dial --progress edge-1 127.0.0.1:7777',
        '  fairlead dial --broker wss://broker.example.com --token-file me.token edge-1 127.0.0.1:7777 < request',
        '  ssh -o ProxyCommand="fairlead dial --broker wss://broker.example.com --token-file me.token edge-1 %h:%p" \\',
        '      user@127.0.0.1',
      ].join('\n'),
    );
  addBrokerOptions(command);
  addE2eDialOptions(command);
  addLogOption(command, 'warn').action(dial);
}

async function dial(node: string, target: HostPort, options: DialOptions): Promise<void> {
  const log = await createLog(options);
  const { e2e } = await e2eDialing(options, log);
  // One dial is all there will be: nothing is to be made ready for the next.
  const broker = connect({ ...(await brokerAccess(options, log)), e2e: e2e && { ...e2e, spareStreams: 0 } });
  const tracing = await openTracing('fairlead');
  const span = tracing.tracer.begin('dial', 'client', undefined, { ...target, node, id: undefined });
  try {
    const { traceparent } = span;
    const socket = broker.dialStream({ node, ...target, traceparent, allowHalfOpen: true });
    socket.once('connect', () => span.end(undefined)).once('error', (error) => span.end(errorTypeOf(error)));
    const { requestId: request, sessionId: session } = socket;
    log.debug(
      { event: 'dialling', request, session, node, target: `${target.host}:${target.port}` },
      'dialling',
    );
    const signal = await Promise.race([exchange(socket, options.progress), firstSignal()]);
    if (signal !== undefined) {
      socket.destroy();
      process.exitCode = exitCodeOfSignal(signal);
    }
  } finally {
    await broker.close();
    await tracing.close();
    // A terminal or a pipe that nobody ends would keep the process.
    process.stdin.destroy();
  }
  if (process.exitCode !== undefined && process.exitCode !== exitCodes.done) process.exit();
}

/** Both ways until both have ended and the agent has every byte. */
async function exchange(socket: StreamSocket, wantsProgress: boolean | undefined): Promise<undefined> {
  const stdout = openStdout();
  const closed = finished(socket);
  const endProgress = showsProgress(endsOfProcess(), wantsProgress)
    ? startProgress(
        { up: () => process.stdin.bytesRead, down: () => stdout.bytesWritten, size: sizeOf(0) },
        process.stderr,
      )
    : undefined;
  try {
    await Promise.all([pipeline(process.stdin, socket), pipeline(socket, stdout), closed]);
  } catch (error) {
    socket.destroy();
    // The reader has what it wanted, as in "fairlead dial … | head": no error of ours, but not done either.
    if (!(error instanceof Error && 'code' in error && error.code === 'EPIPE' && stdout.errored === error))
      throw error;
    process.exitCode = exitCodes.failed;
  } finally {
    endProgress?.();
  }
}

/**
 * stdout as a stream of our own: `process.stdout` never closes its descriptor, and whoever reads must see
 * that the target has ended while stdin is still open.
 */
function openStdout(): Writable & { readonly bytesWritten: number } {
  if (isatty(1)) return process.stdout;
  const status = fstatSync(1);
  if (!status.isFIFO() && !status.isSocket()) return createWriteStream('', { fd: 1, autoClose: false });
  const stdout = new Socket({ fd: 1, readable: false, writable: true });
  return stdout.once('close', () => {
    // libuv leaves descriptors up to 2 open when their streams close. The number stays taken, so that no file
    // of ours becomes stdout.
    closeSync(1);
    openSync(devNull, 'w');
  });
}
