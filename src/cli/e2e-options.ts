// The flags of end-to-end encryption, for those who dial and for agents, and the files behind them, which are followed
// until the process ends. Nothing here turns encryption off.

import type { Command } from 'commander';
import type { Logger } from 'pino';
import {
  type E2eAgentOptions,
  type E2eDialerOptions,
  type E2eOptions,
  parseAuthorities,
  parseIdentity,
  parsePeers,
} from '../e2e/index.ts';
import { followFile } from '../files/followed-file.ts';
import { FairleadError } from '../protocol/errors.ts';
import { warnIfWorldReadable } from './credentials.ts';
import { Failure, UsageError } from './failure.ts';

interface E2eFiles {
  readonly e2eKey?: string;
  readonly e2ePeers?: string;
  readonly e2eCa?: string;
}

export interface E2eDialFlags extends E2eFiles {
  readonly e2e?: boolean;
}

export interface E2eAgentFlags extends E2eFiles {
  readonly e2eRequire?: boolean;
  readonly listenE2ePeers?: string;
  readonly listenE2eCa?: string;
}

export function addE2eDialOptions(command: Command): Command {
  return command
    .option(
      '--e2e',
      'encrypt from here to the agent: the broker sees neither bytes nor targets; no fall-back',
    )
    .option('--e2e-key <file>', 'with --e2e: our key and certificate, as "fairlead keys --e2e" makes them')
    .option('--e2e-peers <file>', 'with --e2e: the agents\' keys, lines "PIN NODE-PATTERN"')
    .option('--e2e-ca <file>', "instead of --e2e-peers: PEM of who vouches for the agents' certificates");
}

export function addE2eAgentOptions(command: Command): Command {
  return command
    .option(
      '--e2e-key <file>',
      'take encrypted streams, with this key and certificate ("fairlead keys --e2e")',
    )
    .option('--e2e-peers <file>', 'with --e2e-key: the keys of dialers that may come, lines "PIN NAME"')
    .option('--e2e-ca <file>', "instead of --e2e-peers: PEM of who vouches for the dialers' certificates")
    .option('--e2e-require', 'with --e2e-key: take no streams but encrypted ones')
    .option(
      '--listen-e2e-peers <file>',
      'encrypt what --listen dials: the agents\' keys, lines "PIN NODE-PATTERN"',
    )
    .option('--listen-e2e-ca <file>', "likewise: PEM of who vouches for the agents' certificates");
}

/** @throws UsageError where flags do not go together; the file's name and what is wrong with it otherwise */
export async function e2eDialing(
  flags: E2eDialFlags,
  log: Logger,
): Promise<{ readonly e2e?: E2eDialerOptions }> {
  const { e2e = false, e2eKey, e2ePeers, e2eCa } = flags;
  if (!e2e) {
    if ([e2eKey, e2ePeers, e2eCa].some((given) => given !== undefined))
      throw new UsageError(
        '--e2e-key, --e2e-peers and --e2e-ca go with --e2e: without it nothing is encrypted',
      );
    return {};
  }
  if (e2eKey === undefined) throw new UsageError('--e2e needs a key: add --e2e-key FILE');
  return { e2e: await followed(e2eKey, { flag: '--e2e', peers: e2ePeers, ca: e2eCa }, log) };
}

export async function e2eServing(
  flags: E2eAgentFlags,
  log: Logger,
): Promise<{ readonly e2e?: E2eAgentOptions }> {
  const { e2eKey, e2ePeers, e2eCa, e2eRequire, listenE2ePeers, listenE2eCa } = flags;
  const isServing = e2ePeers !== undefined || e2eCa !== undefined || e2eRequire === true;
  const isListening = listenE2ePeers !== undefined || listenE2eCa !== undefined;
  if (e2eKey === undefined) {
    if (isServing || isListening)
      throw new UsageError('the flags that begin with --e2e and --listen-e2e need a key: add --e2e-key FILE');
    return {};
  }
  if (!isServing && isListening) return {};
  const options = await followed(e2eKey, { flag: '--e2e', peers: e2ePeers, ca: e2eCa }, log);
  return { e2e: { ...options, isRequired: e2eRequire ?? false } };
}

/** For an agent's way back. */
export async function e2eOfListen(
  { e2eKey, listenE2ePeers, listenE2eCa }: E2eAgentFlags,
  log: Logger,
): Promise<{ readonly e2e?: E2eDialerOptions }> {
  if (listenE2ePeers === undefined && listenE2eCa === undefined) return {};
  if (e2eKey === undefined)
    throw new UsageError('--listen-e2e-peers and --listen-e2e-ca need --e2e-key FILE');
  return {
    e2e: await followed(e2eKey, { flag: '--listen-e2e', peers: listenE2ePeers, ca: listenE2eCa }, log),
  };
}

interface Trusted {
  readonly flag: string;
  readonly peers: string | undefined;
  readonly ca: string | undefined;
}

async function followed(key: string, { flag, peers, ca }: Trusted, log: Logger): Promise<E2eOptions> {
  if ((peers === undefined) === (ca === undefined))
    throw new UsageError(`say whose keys are taken by one of ${flag}-peers FILE and ${flag}-ca FILE`);
  const listeners = new Set<() => void>();
  const follow = async (path: string, check: (text: string) => unknown): Promise<() => string> => {
    const following = followFile(path, {
      parse: (text) => {
        check(text);
        return text;
      },
      changed: () => {
        log.info({ event: 'e2e-reloaded', file: path }, 'read again');
        for (const listener of listeners) listener();
      },
      failed: (file, error) =>
        log.error(
          { event: 'e2e-reload-failed', file, error: error instanceof Error ? error.message : String(error) },
          'cannot be used: what it said before stays in force',
        ),
    });
    const file = await following.catch((error: unknown) => {
      throw error instanceof FairleadError ? new Failure(error.message) : error;
    });
    return file.value;
  };
  const read = await follow(key, parseIdentity);
  await warnIfWorldReadable(key, log);
  return {
    key: read,
    ...(peers === undefined ? {} : { peers: await follow(peers, parsePeers) }),
    ...(ca === undefined ? {} : { ca: await follow(ca, parseAuthorities) }),
    onChange: (listener) => {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}
