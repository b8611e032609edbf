// What a fuzz target is, and what it may let out: nothing but returning.

import { FairleadError } from '../../src/protocol/errors.ts';

/** Throws on a broken promise, and on nothing else. */
export type Fuzz = (data: Buffer) => void | Promise<void>;

/** Runs what may refuse its input: with a FairleadError, of one of these codes where some are given. */
export function refusing<T>(run: () => T, ...codes: readonly string[]): T | undefined {
  try {
    return run();
  } catch (error) {
    checkRefusal(error, codes);
    return undefined;
  }
}

export async function refusingLater<T>(
  run: () => Promise<T>,
  ...codes: readonly string[]
): Promise<T | undefined> {
  try {
    return await run();
  } catch (error) {
    checkRefusal(error, codes);
    return undefined;
  }
}

function checkRefusal(error: unknown, codes: readonly string[]): void {
  if (!(error instanceof FairleadError)) throw error;
  if (codes.length > 0 && !codes.includes(error.code)) throw error;
  if (error.message.length > 2000) throw new Error(`a message of ${error.message.length} characters`);
}

export function promise(isSo: boolean, what: string): void {
  if (!isSo) throw new Error(`a promise is broken: ${what}`);
}
