// SIGTERM and SIGINT for commands that run until told: the first asks them to finish, a second ends them at
// once, with the exit code that shells give a process that the signal killed.

import { constants } from 'node:os';

const endingSignals = ['SIGTERM', 'SIGINT', 'SIGHUP'] as const;
type EndingSignal = (typeof endingSignals)[number];

export function exitCodeOfSignal(signal: EndingSignal): number {
  return 128 + constants.signals[signal];
}

/**
 * Resolves at the first signal. From then on another one ends the process.
 * SIGHUP is as SIGTERM: a terminal that closes takes its commands with it.
 */
export function firstSignal(): Promise<EndingSignal> {
  return new Promise((resolve) => {
    let wasAsked = false;
    for (const signal of endingSignals) {
      process.on(signal, () => {
        if (wasAsked) process.exit(exitCodeOfSignal(signal));
        wasAsked = true;
        resolve(signal);
      });
    }
  });
}
