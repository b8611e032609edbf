// The audit log: one JSON line for each thing that somebody was let do or not, in a file of its own. Never holds a
// token or a byte of payload; never stops the process, whatever becomes of the disk.

import { openSync } from 'node:fs';
import pino from 'pino';
import { printableFields } from './printable.ts';

/** What both sides write; `event` and `verdict` are from closed lists, what peers choose comes bounded. */
export interface AuditEntry {
  readonly event:
    | 'link-opened'
    | 'link-refused'
    | 'link-closed'
    | 'session-opened'
    | 'session-refused'
    | 'session-closed'
    | 'stream-opened'
    | 'stream-refused'
    | 'stream-failed'
    | 'stream-closed';
  readonly verdict?: 'granted' | 'refused';
  /** Who: the principal, where it is known. */
  readonly principal?: string | undefined;
  readonly node?: string | undefined;
  /** `HOST:PORT` as it was asked for. */
  readonly target?: string | undefined;
  readonly [detail: string]: string | number | undefined;
}

export interface AuditLog {
  record(entry: AuditEntry): void;
}

/** Bytes that may wait for a disk that does not take them; lines beyond are lost, and counted. */
const maxWaitingBytes = 8 * 1024 * 1024;
const reportEveryMs = 10_000;
/** Longest that a field may be: what peers choose is as long as they like. */
const maxCharacters = 600;

interface Complaints {
  error(fields: object, message: string): void;
}

/**
 * Appends to a file that only its owner can read; what waits is written when the process exits.
 *
 * @throws Node's own error where it cannot be opened
 */
export function openAuditFile(path: string, log: Complaints): AuditLog {
  const destination = pino.destination({
    dest: openSync(path, 'a', 0o600),
    sync: false,
    maxLength: maxWaitingBytes,
  });
  const lost = { lines: 0, reportedAtMs: Number.NEGATIVE_INFINITY, why: 'it does not keep up' };
  const complain = () => {
    if (performance.now() - lost.reportedAtMs < reportEveryMs) return;
    lost.reportedAtMs = performance.now();
    log.error({ event: 'audit-failed', path, lines: lost.lines, error: lost.why }, 'the audit log has gaps');
  };
  destination.on('error', (error: Error) => {
    lost.why = error.message;
    complain();
  });
  destination.on('drop', () => {
    lost.lines++;
    complain();
  });
  const lines = pino({ base: null, timestamp: pino.stdTimeFunctions.isoTime }, destination);
  return {
    record(entry) {
      lines.info(printableFields(entry, maxCharacters));
    },
  };
}
