// SIGTERM and SIGINT for commands that run until told: the first asks them to finish, a second ends them at
// once, with the exit code that shells give a process that the signal killed.

import { constants } from 'node:os';
import type { Command } from 'commander';
import type { Logger } from 'pino';
import type { LiveKeys } from './config/reload.ts';
import type { ServiceManager } from './service-manager.ts';

const endingSignals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
type EndingSignal = (typeof endingSignals)[number];

export function exitCodeOfSignal(signal: EndingSignal): number {
  return 128 + constants.signals[signal];
}

/**
 * Resolves at the first signal. From then on another one ends the process.
 * SIGHUP is as SIGTERM: a terminal that closes takes its commands with it. With a config file it is `hungUp`.
 */
export function firstSignal(hungUp?: () => void): Promise<EndingSignal> {
  return new Promise((resolve) => {
    let wasAsked = false;
    for (const signal of endingSignals) {
      process.on(signal, () => {
        if (signal === 'SIGHUP' && hungUp !== undefined) {
          hungUp();
          return;
        }
        if (wasAsked) process.exit(exitCodeOfSignal(signal));
        wasAsked = true;
        resolve(signal);
      });
    }
  });
}

/** For {@link firstSignal}: what SIGHUP does to a command that has a config file. */
export async function whenHungUp(
  command: Command,
  live: LiveKeys,
  log: Logger,
  manager: ServiceManager,
): Promise<(() => void) | undefined> {
  // Without --config nothing of it is loaded.
  if (command.getOptionValue('config') === undefined) return undefined;
  const { reloader } = await import('./config/reload.ts');
  const reload = reloader(command, live, log);
  return (
    reload &&
    (() => {
      reload();
      manager.reloading('config file read again');
    })
  );
}
