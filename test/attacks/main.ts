// An attacker in a process of its own, so that what it costs is not taken for what it does to others:
// `main.js KIND URL TOKEN-FILE SOURCE-ADDRESS`. Goes on until SIGTERM, and says then what it has done.

import { readFileSync } from 'node:fs';
import { rapidReset } from './rapid-reset.ts';
import { wrongTokens } from './wrong-tokens.ts';

export interface Attack {
  readonly url: string;
  readonly token: string;
  /** Where it comes from: one of 127.0.0.0/8. */
  readonly localAddress: string;
  /** What it has done so far. */
  readonly done: Record<string, number>;
}

const attacks: Readonly<Record<string, (attack: Attack) => Promise<never>>> = {
  // As fast as it goes, whatever is said about it.
  'rapid-reset': (attack) => rapidReset(attack, Number.POSITIVE_INFINITY),
  // As many as are taken, second after second, so that no limit is broken.
  'rapid-reset-below': (attack) => rapidReset(attack, 4500),
  // Below every limit, too, and each reset so much later that its dial has begun.
  'reset-later': (attack) => rapidReset(attack, 4500, 250),
  'wrong-tokens': wrongTokens,
};

const [kind = '', url = '', tokenFile = '', localAddress = '127.0.0.1'] = process.argv.slice(2);
const run = attacks[kind];
if (run === undefined) throw new Error(`there is no attack "${kind}"`);
const done: Record<string, number> = {};
process.on('SIGTERM', () => {
  process.stderr.write(`${JSON.stringify({ msg: 'done', ...done })}\n`, () => process.exit(0));
});
process.stderr.write(`${JSON.stringify({ msg: 'ready', listen: [] })}\n`);
await run({ url, token: readFileSync(tokenFile, 'utf8').trim(), localAddress, done });
