// Every limit of an agent that can be set, with range, default and what it bounds: one table for the options, the
// command line's flags and the documentation. Who breaks one gets what docs/security.md says.

import { defaultLimits } from '../protocol/limits.ts';

const million = 1_000_000;
const mebibyte = 1024 * 1024;

export const agentLimits = {
  maxSessions: { least: 1, most: million, standard: 1024, help: 'sessions at once' },
  maxSessionsPerPrincipal: {
    least: 1,
    most: million,
    standard: 256,
    help: 'sessions at once of one principal',
  },
  maxStreams: {
    least: 1,
    most: 65_536,
    standard: defaultLimits.maxStreams,
    help: 'streams at once in one session',
  },
  maxOpensPerSecond: {
    least: 1,
    most: million,
    standard: defaultLimits.maxOpensPerSecond,
    help: 'OPEN frames in a second in one session',
  },
  maxDialsPerSecond: {
    least: 10,
    most: million,
    standard: 2000,
    help: 'dials to targets in a second for one session; more wait for their turn',
  },
  maxResetsPerSecond: {
    least: 1,
    most: million,
    standard: defaultLimits.maxResetsPerSecond,
    help: 'RESET frames in a second in one session',
  },
  maxControlFramesPerSecond: {
    least: 100,
    most: 10 * million,
    standard: defaultLimits.maxControlFramesPerSecond,
    help: 'frames without data in a second in one session',
  },
  maxBufferedBytes: {
    least: mebibyte,
    most: Number.MAX_SAFE_INTEGER,
    standard: 512 * mebibyte,
    help: 'bytes held for streams, over all sessions',
  },
} as const;

export type AgentLimits = { readonly [Name in keyof typeof agentLimits]: number };
