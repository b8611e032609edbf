// The package's version, read from its own package.json so that it is written in one place.

import { readFileSync } from 'node:fs';

/** Put in where the program is one file and there is no package.json beside it. */
declare const FAIRLEAD_VERSION: string | undefined;

export const version = typeof FAIRLEAD_VERSION === 'string' ? FAIRLEAD_VERSION : readVersion();

function readVersion(): string {
  // From src/cli/ and dist/command/, and from dist/src/cli/.
  for (const path of ['../../package.json', '../../../package.json']) {
    let text: string;
    try {
      text = readFileSync(new URL(path, import.meta.url), 'utf8');
    } catch {
      continue;
    }
    return String(JSON.parse(text).version);
  }
  return 'unknown';
}
