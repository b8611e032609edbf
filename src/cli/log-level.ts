// The log's level while a command runs: SIGUSR2 turns debug on, and back to what it was. Windows has no such signal.

import type { Logger } from 'pino';

/** Says which level it is now; a handler of signals keeps no process alive. */
export function toggleLevelOnSignal(log: Logger): void {
  if (process.platform === 'win32') return;
  let before = log.level === 'debug' ? 'info' : log.level;
  process.on('SIGUSR2', () => {
    const level = log.level === 'debug' ? before : 'debug';
    if (log.level !== 'debug') before = log.level;
    // Said while debug is on, so that it shows whatever the other level is.
    log.level = 'debug';
    log.info({ event: 'log-level', logs: level, by: 'SIGUSR2' }, `the log is at "${level}" from now on`);
    log.level = level;
  });
}
