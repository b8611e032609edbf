// The package's version, read from its own package.json so that it is written in one place.

import { readFileSync } from 'node:fs';

export const version = readVersion();

function readVersion(): string {
  // From src/cli/ and from dist/src/cli/.
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
