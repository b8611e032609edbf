// Every limit of a broker on Node that can be set, with range, default and what it bounds: one table for the
// settings, the command line's flags and the documentation. Who breaks one gets what docs/security.md says.

import { totalmem } from 'node:os';
import * as z from 'zod';
import { defaultRelayOptions } from './relay-options.ts';

export interface Limit {
  readonly least: number;
  readonly most: number;
  readonly standard: number;
  /** The default in words, where the number is of this machine. */
  readonly standardInWords?: string;
  /** What it bounds, for `--help`; names ending in `Bytes` are in bytes, the others are counts. */
  readonly help: string;
}

const million = 1_000_000;
const mebibyte = 1024 * 1024;
const anyBytes = Number.MAX_SAFE_INTEGER;

/** Above this share of the memory that the process may use, the rest of the machine is in danger. */
const memoryShare = 0.8;

export const brokerLimits = {
  maxConnections: { least: 1, most: million, standard: 32_768, help: 'connections at once' },
  maxConnectionsPerAddress: {
    least: 1,
    most: million,
    standard: 1024,
    help: 'connections at once from one address (IPv6: one /64)',
  },
  maxConnectionsPerSecond: {
    least: 1,
    most: million,
    standard: 200,
    help: 'new connections, and so TLS handshakes, in a second from one address',
  },
  maxUnfinished: {
    least: 1,
    most: million,
    standard: 4096,
    help: 'connections at once that have not sent a request yet; the oldest gives way',
  },
  maxUnfinishedPerAddress: {
    least: 1,
    most: million,
    standard: 256,
    help: 'connections at once from one address that have not sent a request yet',
  },
  maxRequestsPerSecond: {
    least: 1,
    most: million,
    standard: 200,
    help: 'upgrades and other requests in a second from one address',
  },
  maxAuthFailures: {
    least: 1,
    most: million,
    standard: 100,
    help: 'bad tokens in a minute from one address, before no token of it is looked at',
  },
  maxLinksPerPrincipal: {
    least: 1,
    most: million,
    standard: defaultRelayOptions.maxLinksPerPrincipal,
    help: 'links at once of one principal',
  },
  maxSessionsPerNode: {
    least: 1,
    most: million,
    standard: defaultRelayOptions.maxSessionsPerNode,
    help: 'dialers at once of one node',
  },
  maxControlFramesPerSecond: {
    least: 1,
    most: million,
    standard: defaultRelayOptions.maxControlFramesPerSecond,
    help: 'unasked control frames in a second on one link',
  },
  maxMessageBytes: {
    least: 4096,
    most: 16_777_216,
    standard: defaultRelayOptions.maxMessageBytes,
    help: 'bytes in one message',
  },
  maxBufferedBytes: {
    least: mebibyte,
    most: anyBytes,
    standard: 512 * mebibyte,
    help: 'bytes that wait for slow readers, over all links',
  },
  maxMemoryBytes: {
    least: 64 * mebibyte,
    most: anyBytes,
    standard: Math.round(memoryShare * usableMemory()),
    standardInWords: `${100 * memoryShare} % of the memory of the machine or container`,
    help: 'bytes of memory of the process, resident',
  },
} as const satisfies Readonly<Record<string, Limit>>;

type BrokerLimitName = keyof typeof brokerLimits;
export type BrokerLimits = { readonly [Name in BrokerLimitName]: number };

/** Of the machine, or of the container where that is less. */
function usableMemory(): number {
  // The kernel says "no limit" as a number beyond any memory, and Node 0 where it cannot tell.
  const constrained = process.constrainedMemory?.() ?? 0;
  return constrained > 0 ? Math.min(constrained, totalmem()) : totalmem();
}

/** A setting for each limit, absent ones at their defaults. */
export function limitsShape<Name extends string>(
  limits: Readonly<Record<Name, Limit>>,
): { [Key in Name]: z.ZodDefault<z.ZodInt> } {
  const shape = {} as { [Key in Name]: z.ZodDefault<z.ZodInt> };
  for (const name of Object.keys(limits) as Name[]) {
    const { least, most, standard } = limits[name];
    shape[name] = z.int().min(least).max(most).default(standard);
  }
  return shape;
}
