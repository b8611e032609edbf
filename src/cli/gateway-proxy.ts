// The flags of `fairlead gateway` for the proxy paths, and what they are made into.

import type { Command } from 'commander';
import type { Logger } from 'pino';
import {
  checkTargetFiles,
  followTargetCredentials,
  type GatewayAddress,
  type ProxyOptions,
} from '../gateway/index.ts';
import type { BrokerAccess } from '../link/broker-access.ts';
import { isLoopback } from '../link/loopback.ts';
import { FairleadError } from '../protocol/errors.ts';
import { warnIfWorldReadable } from './credentials.ts';
import { Failure, UsageError } from './failure.ts';

export interface ProxyCommandOptions {
  readonly proxy?: GatewayAddress[];
  readonly targetCa?: string;
  readonly targetCert?: string;
  readonly targetKey?: string;
  readonly targetTokenFile?: string;
  readonly targetInsecure?: boolean;
  /** Streams are encrypted from here to the agent, whatever the link is. */
  readonly e2e?: boolean;
}

export function addTargetOptions(command: Command): Command {
  return command
    .option(
      '--target-ca <file>',
      "PEM of the authorities of https: targets, instead of the system's; followed",
    )
    .option(
      '--target-cert <file>',
      'PEM certificate for https: targets that ask for one; followed, as is its key',
    )
    .option('--target-key <file>', 'PEM private key of --target-cert')
    .option('--target-token-file <file>', 'bearer token for https: targets; followed; needs --target-ca')
    .option('--target-insecure', 'take any certificate of any https: target');
}

/** Undefined where no proxy path is asked for. Whoever opens it closes its `credentials`. */
export async function openProxy(
  options: ProxyCommandOptions,
  access: BrokerAccess,
  log: Logger,
): Promise<ProxyOptions | undefined> {
  const { proxy: addresses = [], targetCa: ca, targetCert: cert, targetKey: key } = options;
  const { targetTokenFile: tokenFile, targetInsecure: insecure } = options;
  if (addresses.length === 0) {
    if ((ca ?? cert ?? key ?? tokenFile ?? insecure) !== undefined)
      throw new UsageError('--target-… flags go with --proxy');
    return undefined;
  }
  const failed = (error: unknown) =>
    log.warn(
      { event: 'file-failed', error: error instanceof Error ? error.message : String(error) },
      'what targets are shown cannot be read: what was there before stays',
    );
  const files = { ca, cert, key, tokenFile, insecure };
  checkTargetFiles(files);
  const credentials = await followTargetCredentials(files, failed).catch((error: unknown) => {
    throw error instanceof FairleadError ? new Failure(error.message) : error;
  });
  for (const file of [key, tokenFile]) if (file !== undefined) await warnIfWorldReadable(file, log);
  if (insecure === true)
    log.warn(
      { event: 'target-insecure' },
      '--target-insecure: no certificate of an https: target is checked: whoever is between an agent and a target can read and change all',
    );
  const linkIsPrivate = options.e2e === true || isPrivate(access.url);
  if (!linkIsPrivate)
    log.warn(
      { event: 'target-plain' },
      '--insecure: what goes to plain http targets crosses the link to the broker in clear, too',
    );
  return { addresses, credentials, takesPlainHttp: linkIsPrivate || access.insecure === true };
}

function isPrivate(url: string): boolean {
  const { protocol, hostname } = new URL(url);
  return protocol === 'wss:' || protocol === 'https:' || isLoopback(hostname);
}
