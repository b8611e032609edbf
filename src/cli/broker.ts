// `fairlead broker`: runs a broker until it is told to stop, then lets its peers move before it goes.

import { type Command, Option } from 'commander';
import type { Logger } from 'pino';
import {
  type AuthSources,
  type Broker,
  type BrokerOptions,
  followDenyFile,
  openAuth,
  startBroker,
} from '../broker/index.ts';
import { openAuditFile } from '../files/audit-log.ts';
import { FairleadError } from '../protocol/errors.ts';
import { formatAddress, type HostPort, parseListen } from './address.ts';
import { type AuthOptions, addAuthOptions, authSources } from './auth.ts';
import { readText } from './credentials.ts';
import { Failure, UsageError } from './failure.ts';
import { type AuditOptions, addAuditOption, addLogOption, createLog, type LogOptions } from './log.ts';
import { firstSignal } from './signals.ts';
import { version } from './version.ts';

interface BrokerCommandOptions extends AuthOptions, AuditOptions, LogOptions {
  readonly listen: HostPort;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly denyFile?: string;
}

export function addBrokerCommand(program: Command): void {
  const command = program
    .command('broker')
    .summary('run a broker, which agents and dialers connect to')
    .description('Runs a broker: agents and dialers connect to it, and it passes their messages on.')
    .addOption(
      new Option('--listen <address>', 'HOST:PORT to listen on; port 0 picks a free one')
        .argParser(parseListen)
        .default({ host: '127.0.0.1', port: 8080 }, '127.0.0.1:8080'),
    )
    .option('--tls-cert <file>', 'PEM certificate chain; with --tls-key, serve wss:// and https://')
    .option('--tls-key <file>', 'PEM private key of --tls-cert')
    .addHelpText(
      'after',
      [
        '',
        'On SIGTERM or SIGINT it tells its peers to move and then stops; a second signal ends it at once.',
        'Tokens are taken that one of the given keys has signed. Key files and the deny file',
        'are read again when they change; links that the deny file names are closed.',
        '',
        'Examples:',
        '  (umask 077; head -c 32 /dev/urandom | base64 > secret)',
        '  fairlead broker --auth-secret-file secret',
        '  fairlead broker --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem --auth-secret-file secret',
      ].join('\n'),
    );
  addAuditOption(command);
  addAuthOptions(command).option(
    '--deny-file <file>',
    'tokens, principals and nodes to refuse: lines "jti ID", "sub PRINCIPAL", "node NODE", or JSON',
  );
  addLogOption(command).action(runBroker);
}

async function runBroker(options: BrokerCommandOptions): Promise<void> {
  const log = await createLog(options);
  if ((options.tlsCert === undefined) !== (options.tlsKey === undefined))
    throw new UsageError('--tls-cert and --tls-key go together: give both or neither');
  const tls =
    options.tlsCert !== undefined && options.tlsKey !== undefined
      ? { cert: await readText(options.tlsCert), key: await readText(options.tlsKey) }
      : undefined;
  const sources = await authSources(options, log);
  const broker = await startWith(sources, options, tls, log).catch((error: unknown) => {
    // The flags were checked before: what is left is in the files that they name.
    throw error instanceof FairleadError ? new Failure(error.message) : error;
  });
  log.info(
    { listen: [formatAddress(broker.address.address, broker.address.port)], url: broker.url },
    'ready',
  );
  const signal = await firstSignal();
  log.info({ signal }, 'draining');
  await broker.drain();
}

async function startWith(
  sources: AuthSources,
  options: BrokerCommandOptions,
  tls: BrokerOptions['tls'],
  log: Logger,
): Promise<Broker> {
  const { issuers } = await openAuth(sources, log);
  const { host, port } = options.listen;
  const deny = options.denyFile === undefined ? undefined : await followDenyFile(options.denyFile, log);
  const audit = options.auditLog === undefined ? undefined : openAuditFile(options.auditLog, log);
  return await startBroker({
    host,
    port,
    issuers,
    revocations: deny?.revocations,
    audit,
    version,
    tls,
    log,
  });
}
