// Data on stdout. A reader that has what it wants, as in "fairlead ping … | head", ends the command without a word.

import { exitCodes } from './failure.ts';

let isWatched = false;

export function print(text: string): void {
  if (!isWatched) {
    isWatched = true;
    process.stdout.on('error', (error) => {
      if ('code' in error && error.code === 'EPIPE') process.exit(exitCodes.failed);
      throw error;
    });
  }
  process.stdout.write(text);
}
