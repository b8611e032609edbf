// `fairlead broker`: runs a broker until it is told to stop, then lets its peers move before it goes.

import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Logger } from 'pino';
import {
  type AuthSources,
  type Broker,
  type BrokerLimits,
  brokerLimits,
  defaultPrefix,
  followDenyFile,
  isOrigin,
  type NatsOptions,
  openAuth,
  type ProxyHeader,
  parseRange,
  proxyHeaders,
  type StatusPageMode,
  startBroker,
  statusPageModes,
} from '../broker/index.ts';
import { openAuditFile } from '../files/audit-log.ts';
import type { FollowedCertificate } from '../files/followed-certificate.ts';
import { FairleadError } from '../protocol/errors.ts';
import { formatAddress, type HostPort, parseListen } from './address.ts';
import { type AuthOptions, addAuthOptions, authSources } from './auth.ts';
import { openCertificate } from './certificate.ts';
import { addConfigOption, readPrivate, readText } from './credentials.ts';
import { parseSeconds } from './duration.ts';
import { Failure, UsageError } from './failure.ts';
import { addLimitOptions, limitsGiven } from './limit-options.ts';
import {
  type AuditOptions,
  addAuditOption,
  addLogOption,
  createLog,
  type LogOptions,
  liveLogLevel,
} from './log.ts';
import { type MetricsAddress, parseMetricsAddress } from './metrics-address.ts';
import { handedOver, ServiceManager } from './service-manager.ts';
import { firstSignal, whenHungUp } from './signals.ts';
import { version } from './version.ts';

interface BrokerCommandOptions extends AuthOptions, AuditOptions, LogOptions, Partial<BrokerLimits> {
  readonly listen: HostPort;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly clientCa?: string;
  readonly denyFile?: string;
  readonly nats?: string[];
  readonly natsCreds?: string;
  readonly natsTokenFile?: string;
  readonly natsUser?: string;
  readonly natsPasswordFile?: string;
  readonly natsCa?: string;
  readonly natsCert?: string;
  readonly natsKey?: string;
  readonly natsPrefix: string;
  readonly handshakeTimeout: number;
  readonly metrics?: MetricsAddress;
  readonly statusPage: StatusPageMode;
  readonly trustedProxy?: string[];
  readonly proxyHeader: ProxyHeader;
  readonly allowOrigin?: string[];
}

export function addBrokerCommand(program: Command): void {
  const command = program
    .command('broker')
    .description('Runs a broker: agents and dialers connect to it, and it passes their messages on.')
    .addOption(
      new Option('--listen <address>', 'HOST:PORT to listen on; port 0 picks a free one')
        .argParser(parseListen)
        .default({ host: '127.0.0.1', port: 8080 }, '127.0.0.1:8080'),
    )
    .option('--tls-cert <file>', 'PEM certificate chain; with --tls-key, serve wss:// and https://; followed')
    .option('--tls-key <file>', 'PEM private key of --tls-cert')
    .option(
      '--client-ca <file>',
      'PEM authorities of client certificates; "certificates" in --auth-config says what they grant; followed',
    )
    .option(
      '--nats <url>',
      'meet other replicas over NATS: nats://HOST:PORT, commas between servers',
      splitServers,
    )
    .option('--nats-creds <file>', 'NATS credentials file')
    .option('--nats-token-file <file>', 'NATS token')
    .option('--nats-user <name>', 'NATS user, with --nats-password-file')
    .option('--nats-password-file <file>', "the NATS user's password")
    .option('--nats-ca <file>', 'PEM certificates to verify NATS servers with')
    .option('--nats-cert <file>', 'PEM certificate for NATS, with --nats-key')
    .option('--nats-key <file>', 'PEM private key of --nats-cert')
    .option(
      '--nats-prefix <name>',
      'first part of every NATS subject; brokers with one prefix are one',
      defaultPrefix,
    )
    .addOption(
      new Option(
        '--handshake-timeout <seconds>',
        "longest that a TLS handshake, a request's headers or an upgrade may take",
      )
        .argParser(parseHandshakeSeconds)
        .default(10),
    )
    .option(
      '--metrics <address>',
      'HOST:PORT of a listener of its own for /metrics, or "off" (default: on --listen, for loopback only)',
      parseMetricsAddress,
    )
    .addOption(
      new Option(
        '--status-page <who>',
        'the page at /: "loopback", without a token for whoever asks from loopback; "token", with one only; "off"',
      )
        .choices(statusPageModes)
        .default('loopback'),
    )
    .option(
      '--trusted-proxy <cidr...>',
      'load balancer whose word about who connects is believed, repeatable: an address or CIDR',
      parseProxy,
    )
    .option(
      '--allow-origin <origin...>',
      'site whose pages may dial from a browser, repeatable: https://dashboard.example.com (default: none)',
      parseOrigin,
    )
    .addOption(
      new Option('--proxy-header <name>', 'the header that trusted proxies append to')
        .choices(proxyHeaders)
        .default('x-forwarded-for'),
    )
    .addHelpText(
      'after',
      [
        '',
        'On SIGTERM or SIGINT it tells its peers to move and then stops; a second signal ends it at once.',
        'Tokens are taken that one of the given keys has signed. Certificates, key files and the deny file',
        'are read again when they change; links that the deny file names are closed.',
        '',
        'Examples:',
        '  (umask 077; head -c 32 /dev/urandom | base64 > secret)',
        '  fairlead broker --auth-secret-file secret',
        '  fairlead broker --auth-secret-file secret --nats nats://nats-1:4222,nats://nats-2:4222',
        '  fairlead broker --listen 0.0.0.0:443 --tls-cert cert.pem --tls-key key.pem --auth-secret-file secret',
        '  fairlead broker … --tls-cert cert.pem --tls-key key.pem --client-ca ca.pem --auth-config auth.json',
      ].join('\n'),
    );
  addConfigOption(command);
  addAuditOption(command);
  addAuthOptions(command).option(
    '--deny-file <file>',
    'tokens, principals and nodes to refuse: lines "jti ID", "sub PRINCIPAL", "node NODE", or JSON',
  );
  addLimitOptions(command, brokerLimits);
  addLogOption(command).action(runBroker);
}

function parseHandshakeSeconds(text: string): number {
  const seconds = parseSeconds(text);
  if (seconds < 1) throw new InvalidArgumentError('The least is one second.');
  return seconds;
}

function parseProxy(text: string, before: string[] = []): string[] {
  parseRange(text);
  return [...before, text];
}

function parseOrigin(text: string, before: string[] = []): string[] {
  if (!isOrigin(text))
    throw new InvalidArgumentError('It looks like https://dashboard.example.com, without a path.');
  return [...before, text];
}

async function runBroker(options: BrokerCommandOptions, command: Command): Promise<void> {
  const log = await createLog(options);
  if ((options.tlsCert === undefined) !== (options.tlsKey === undefined))
    throw new UsageError('--tls-cert and --tls-key go together: give both or neither');
  if (options.clientCa !== undefined && options.tlsCert === undefined)
    throw new UsageError(
      '--client-ca goes with --tls-cert and --tls-key: clients show certificates inside TLS',
    );
  const certificate =
    options.tlsCert !== undefined && options.tlsKey !== undefined
      ? await openCertificate({ cert: options.tlsCert, key: options.tlsKey, ca: options.clientCa }, log)
      : undefined;
  const sources = await authSources(options, log);
  const manager = new ServiceManager();
  const broker = await startWith(sources, options, certificate, log).catch((error: unknown) => {
    // The flags were checked before: what is left is in the files that they name.
    throw error instanceof FairleadError ? new Failure(error.message) : error;
  });
  log.info(
    {
      event: 'ready',
      listen: [broker.address, ...(broker.metricsAddress === undefined ? [] : [broker.metricsAddress])].map(
        ({ address, port }) => formatAddress(address, port),
      ),
      url: broker.url,
    },
    'ready',
  );
  manager.ready(`serving at ${broker.url}`);
  const signal = await firstSignal(await whenHungUp(command, liveLogLevel(log), log, manager));
  manager.stopping();
  log.info({ event: 'stopping', signal }, 'draining');
  await broker.drain();
}

async function startWith(
  sources: AuthSources,
  options: BrokerCommandOptions,
  certificate: FollowedCertificate | undefined,
  log: Logger,
): Promise<Broker> {
  const { issuers, identify } = await openAuth(sources, log);
  if (options.clientCa !== undefined && identify === undefined)
    throw new UsageError('--client-ca goes with "certificates" in --auth-config, which says what they grant');
  if (options.clientCa === undefined && identify !== undefined)
    throw new UsageError('"certificates" in --auth-config goes with --client-ca, to verify them with');
  const { host, port } = options.listen;
  const deny = options.denyFile === undefined ? undefined : await followDenyFile(options.denyFile, log);
  const audit = options.auditLog === undefined ? undefined : openAuditFile(options.auditLog, log);
  return await startBroker({
    host,
    port,
    listenFd: handedOver(),
    issuers,
    identify,
    revocations: deny?.revocations,
    audit,
    version,
    tls: certificate === undefined ? undefined : { ...certificate.value(), onChanged: certificate.onChanged },
    ...limitsGiven(brokerLimits, options),
    handshakeMs: options.handshakeTimeout * 1000,
    metrics: options.metrics,
    statusPage: options.statusPage,
    trustedProxies: options.trustedProxy,
    proxyHeader: options.proxyHeader,
    allowOrigins: options.allowOrigin,
    nats: await natsOptions(options, log),
    log,
  });
}

function splitServers(text: string): string[] {
  return text.split(',').map((server) => server.trim());
}

async function natsOptions(options: BrokerCommandOptions, log: Logger): Promise<NatsOptions | undefined> {
  const { nats, natsCreds, natsTokenFile, natsUser, natsPasswordFile, natsCa, natsCert, natsKey } = options;
  const files = { natsCreds, natsTokenFile, natsUser, natsPasswordFile, natsCa, natsCert, natsKey };
  if (nats === undefined) {
    if (Object.values(files).some((value) => value !== undefined))
      throw new UsageError('the --nats-… flags go with --nats URL');
    return undefined;
  }
  if ((natsUser === undefined) !== (natsPasswordFile === undefined))
    throw new UsageError('--nats-user and --nats-password-file go together: give both or neither');
  if ((natsCert === undefined) !== (natsKey === undefined))
    throw new UsageError('--nats-cert and --nats-key go together: give both or neither');
  const secret = async (file: string) => (await readPrivate(file, log)).trim();
  const tls = {
    ...(natsCa === undefined ? {} : { ca: await readText(natsCa) }),
    ...(natsCert === undefined ? {} : { cert: await readText(natsCert) }),
    ...(natsKey === undefined ? {} : { key: await readText(natsKey) }),
  };
  return {
    servers: nats,
    prefix: options.natsPrefix,
    creds: natsCreds === undefined ? undefined : await secret(natsCreds),
    token: natsTokenFile === undefined ? undefined : await secret(natsTokenFile),
    user:
      natsUser === undefined || natsPasswordFile === undefined
        ? undefined
        : { name: natsUser, password: await secret(natsPasswordFile) },
    tls: Object.keys(tls).length === 0 ? undefined : tls,
  };
}
