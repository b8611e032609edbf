// The log: JSON lines on stderr, or pretty lines where stderr is a terminal. Data never goes here, nor a
// secret: nothing is logged that a token or a secret file holds.

import { type Command, Option } from 'commander';
import pino, { type DestinationStream, type Logger } from 'pino';
import { printableFields } from '../files/printable.ts';
import { toggleLevelOnSignal } from './log-level.ts';

const levels = ['trace', 'debug', 'info', 'warn', 'error', 'fatal', 'silent'] as const;
type Level = (typeof levels)[number];

/** Longest that a field may be. */
const maxCharacters = 1024;
/** Lines that wait for a disk that takes none, in bytes; those beyond are lost. */
const maxWaitingBytes = 1024 * 1024;

export interface LogOptions {
  readonly logLevel: Level;
}

export function addLogOption(command: Command, level: Level = 'info'): Command {
  return command.addOption(
    new Option('--log-level <level>', 'least level to log').choices(levels).default(level),
  );
}

/** What cannot be written (a full disk, a pipe that nobody reads) is no reason to end: the next line tries again. */
function unstoppable<T extends { on(event: 'error', listener: () => void): unknown }>(destination: T): T {
  destination.on('error', () => {});
  return destination;
}

/** Synchronous, so that the last line before an exit is written. */
export async function createLog(options: LogOptions): Promise<Logger> {
  const destination = process.stderr.isTTY
    ? await prettyDestination()
    : unstoppable(pino.destination({ dest: 2, sync: true, maxLength: maxWaitingBytes }));
  const log = pino(
    {
      level: options.logLevel,
      base: null,
      // Whoever logs bounds what peers choose more narrowly; this holds for what nobody thought of.
      formatters: { log: (fields) => printableFields(fields, maxCharacters) },
    },
    destination,
  );
  toggleLevelOnSignal(log);
  return log;
}

/** For the config file's key of that name, where it is read again. */
export function liveLogLevel(log: Logger) {
  return {
    'log-level': (level: unknown) => {
      log.level = String(level ?? 'info');
    },
  };
}

export interface AuditOptions {
  readonly auditLog?: string;
}

export function addAuditOption(command: Command): Command {
  return command.option('--audit-log <file>', 'append who did what, or was refused, as JSON lines');
}

/** Loaded where it is needed: half of a short command's start would go into it. */
async function prettyDestination(): Promise<DestinationStream> {
  const { default: pretty } = await import('pino-pretty');
  return pretty({ destination: 2, sync: true, ignore: 'pid,hostname', translateTime: 'HH:MM:ss.l' });
}
