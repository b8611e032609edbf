// Faults put into the session core on purpose, to see that the simulation finds each and makes it short. A loader
// changes the module as it is read: `node --import .../mutants.js` with the fault's name in FAIRLEAD_MUTANT.

import { register } from 'node:module';

interface Mutant {
  readonly file: string;
  readonly from: string;
  readonly to: string;
  /** A seed that finds it. */
  readonly foundBy: number;
}

/** Of the built modules. `from` must occur exactly once. */
export const mutants: Readonly<Record<string, Mutant>> = {
  'an overlap is not cut': {
    file: 'inbound.js',
    from: 'offset === half.received ? payload : payload.subarray(half.received - offset)',
    to: 'payload',
    foundBy: 364,
  },
  'no going back on a resync': {
    file: 'session.js',
    from: 'this.outbound.rewind(stream, stream.send.acked);',
    to: '',
    foundBy: 33,
  },
  'FIN one byte early': {
    file: 'outbound.js',
    from: 'this.writer.frame(frameTypes.FIN, stream.id, stream.send.end, nothing);',
    to: 'this.writer.frame(frameTypes.FIN, stream.id, Math.max(0, stream.send.end - 1), nothing);',
    foundBy: 1,
  },
  'what was asked for is not sent again': {
    file: 'inbound.js',
    from: 'this.outbound.rewind(stream, from);',
    to: '',
    foundBy: 1,
  },
  'an OPEN is dialled again': {
    file: 'session.js',
    from: 'this.seen.add(frame.stream);\n            const opened',
    to: 'const opened',
    foundBy: 112,
  },
  'an OPEN is not repeated': {
    file: 'unsettled.js',
    from: "else if (stream.state === 'opening' && !stream.openKnown)\n            this.outbound.owe(stream, due.open);",
    to: "else if (stream.state === 'opening' && !stream.openKnown)\n            ;",
    foundBy: 1,
  },
  'credit counts what is only received': {
    file: 'receive-half.js',
    from: 'this.limit = Math.max(this.limit, this.consumed + this.windowBytes);',
    to: 'this.limit = this.limit + 0 * this.consumed;',
    foundBy: 1,
  },
  'a reset keeps what was in flight': {
    file: 'outbound.js',
    from: 'this.inFlightBytes -= stream.send.inFlight;\n        stream.send.drop();',
    to: 'stream.send.drop();',
    foundBy: 1,
  },
};

const name = process.env.FAIRLEAD_MUTANT;
if (name !== undefined) {
  const mutant = mutants[name];
  if (mutant === undefined) throw new Error(`no such mutant: ${name}`);
  const loader = `
    const mutant = ${JSON.stringify(mutant)};
    export async function load(url, context, next) {
      const loaded = await next(url, context);
      if (!url.endsWith('/src/protocol/' + mutant.file)) return loaded;
      const parts = String(loaded.source).split(mutant.from);
      if (parts.length !== 2) throw new Error(mutant.file + ' has ' + (parts.length - 1) + ' of: ' + mutant.from);
      return { ...loaded, source: parts.join(mutant.to) };
    }`;
  register(`data:text/javascript,${encodeURIComponent(loader)}`);
}
