// A list of keys that are known, and by what names: lines `PIN NAME`. Order does not matter; what is malformed makes
// the whole list void.

import { FairleadError } from '../protocol/errors.ts';

/** Names by pin. */
export type KnownPeers = ReadonlyMap<string, readonly string[]>;

const maxPeers = 100_000;

/**
 * One peer a line, its pin and what it is called; empty lines and what follows a `#` at the start or after a space
 * say nothing. A pin may stand for several names, and a name have several pins.
 *
 * @throws FairleadError ERR_CONFIG that names the line
 */
export function parsePeers(text: string): KnownPeers {
  const peers = new Map<string, string[]>();
  let count = 0;
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    const said = line.replace(/(^|\s)#.*$/, '').trim();
    if (said === '') continue;
    const [, pin, name] = /^(sha256:[\w-]{43})\s+(\S{1,253})$/.exec(said) ?? [];
    if (pin === undefined || name === undefined) {
      throw new FairleadError(
        'ERR_CONFIG',
        `line ${index + 1} of the list of peers is malformed: write "sha256:… NAME", with the pin that "fairlead keys --e2e" prints`,
      );
    }
    count += 1;
    if (count > maxPeers)
      throw new FairleadError('ERR_CONFIG', `the list of peers has over ${maxPeers} lines`);
    const names = peers.get(pin);
    if (names === undefined) peers.set(pin, [name]);
    else if (!names.includes(name)) names.push(name);
  }
  return peers;
}
