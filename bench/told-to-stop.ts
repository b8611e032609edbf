// What a benchmark has started does not outlive it: Ctrl-C and SIGTERM end it all, too.

const exitCodes = { SIGINT: 130, SIGTERM: 143 } as const;

/** Calls `end` and ends this process, with the exit code that shells give for the signal. */
export function whenToldToStop(end: () => void): void {
  for (const [signal, code] of Object.entries(exitCodes))
    process.once(signal, () => {
      end();
      process.exit(code);
    });
}
