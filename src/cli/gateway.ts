// `fairlead gateway`: what tools that cannot link the SDK connect to: HTTP CONNECT, SOCKS5, proxy paths.

import { type Command, InvalidArgumentError, Option } from 'commander';
import type { Logger } from 'pino';
import { connect } from '../client/index.ts';
import type { FollowedCertificate } from '../files/followed-certificate.ts';
import { type FollowedFile, followFile } from '../files/followed-file.ts';
import {
  type Credentials,
  checkAddress,
  type GatewayAddress,
  GatewayMetrics,
  gatewayDefaults,
  parseCredentials,
  startGateway,
} from '../gateway/index.ts';
import { credentialEndsAt } from '../link/credential-expiry.ts';
import { tellCredentialExpiry, tellExpiry } from '../metrics/expiry.ts';
import { type MetricsListener, serveMetrics } from '../metrics/listener.ts';
import { FairleadError } from '../protocol/errors.ts';
import { formatAddress, type HostPort, parseListen, parseSocketListen } from './address.ts';
import { openCertificate } from './certificate.ts';
import { addBrokerOptions, type BrokerOptions, brokerAccess, warnIfWorldReadable } from './credentials.ts';
import { parseSeconds } from './duration.ts';
import { addE2eDialOptions, type E2eDialFlags, e2eDialing } from './e2e-options.ts';
import { Failure, UsageError } from './failure.ts';
import { addTargetOptions, openProxy, type ProxyCommandOptions } from './gateway-proxy.ts';
import { addLogOption, createLog, type LogOptions, liveLogLevel } from './log.ts';
import { ServiceManager } from './service-manager.ts';
import { firstSignal, whenHungUp } from './signals.ts';
import { openTracing } from './tracing.ts';
import { version } from './version.ts';

interface GatewayCommandOptions extends BrokerOptions, E2eDialFlags, LogOptions, ProxyCommandOptions {
  readonly httpConnect?: GatewayAddress[];
  readonly socks5?: GatewayAddress[];
  readonly statusPage?: GatewayAddress[];
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly clientCa?: string;
  readonly basicAuthFile?: string;
  readonly dialTimeout: number;
  readonly maxConnections: number;
  readonly drain: number;
  readonly metrics?: HostPort;
}

export function addGatewayCommand(program: Command): void {
  const command = program
    .command('gateway')
    .description(
      'Listens for tools that cannot dial by themselves, and connects each to the target that it names.',
    )
    .addOption(
      addressOption(
        '--http-connect <address>',
        'speak HTTP CONNECT at HOST:PORT, unix:PATH or tls:HOST:PORT; repeatable',
      ),
    )
    .addOption(addressOption('--socks5 <address>', 'speak SOCKS5 at HOST:PORT or unix:PATH; repeatable'))
    .addOption(
      addressOption(
        '--proxy <address>',
        'serve /proxy/nodes/… and /proxy/hosts/… over HTTP at HOST:PORT, unix:PATH or tls:HOST:PORT; repeatable',
      ),
    )
    .addOption(
      addressOption(
        '--status-page <address>',
        'show tunnels, dials and nodes at HOST:PORT, unix:PATH or tls:HOST:PORT, in a browser; repeatable',
      ),
    )
    .option('--tls-cert <file>', 'PEM certificate chain for tls: addresses; followed, as are the next two')
    .option('--tls-key <file>', 'PEM private key of --tls-cert')
    .option('--client-ca <file>', 'PEM certificates of the authorities whose clients may use tls: addresses')
    .option(
      '--basic-auth-file <file>',
      'who may use plain HOST:PORT addresses: "user:password" lines; followed',
    )
    .addOption(
      new Option('--dial-timeout <seconds>', 'longest that a dial takes')
        .argParser(parseTimeout)
        .default(gatewayDefaults.dialTimeoutMs / 1000),
    )
    .addOption(
      new Option('--max-connections <number>', 'connections at once; more are turned away')
        .argParser(parseCount)
        .default(gatewayDefaults.maxConnections),
    )
    .addOption(
      new Option('--drain <seconds>', 'how long open connections may go on after SIGTERM')
        .argParser(parseSeconds)
        .default(30),
    )
    .option(
      '--metrics <address>',
      'HOST:PORT to serve /metrics on, to whoever asks (default: nowhere)',
      parseListen,
    )
    .addHelpText(
      'after',
      [
        '',
        'A target goes to the node that serves its host: a node name, or what an agent has as --route. Plain TCP',
        'is for loopback only; a UNIX socket has mode 0660; tls: wants a client certificate. On SIGTERM or SIGINT',
        'it takes no new connections and lets open ones finish; a second signal ends it at once.',
        '',
        'Examples:',
        '  fairlead gateway --broker wss://broker.example.com --token-file me.token --http-connect 127.0.0.1:3128',
        '  curl --proxy http://127.0.0.1:3128 -p http://edge-1:8080/',
        '  fairlead gateway … --http-connect unix:/run/fairlead/connect.sock',
        '  fairlead gateway … --http-connect tls:0.0.0.0:8131 --tls-cert gw.pem --tls-key gw.key --client-ca ca.pem',
        '  fairlead gateway … --socks5 127.0.0.1:1080 --basic-auth-file users',
        '  curl --proxy socks5h://user:password@127.0.0.1:1080 http://edge-1:8080/',
        '  fairlead gateway … --http-connect 127.0.0.1:3128 --status-page 127.0.0.1:8002',
        '  fairlead gateway … --proxy 127.0.0.1:8001 --target-ca kubelet-ca.pem --target-token-file kubelet.token',
        '  curl http://127.0.0.1:8001/proxy/nodes/https:edge-1:10250/healthz',
      ].join('\n'),
    );
  addTargetOptions(command);
  addBrokerOptions(command, '--broker-proxy');
  addE2eDialOptions(command);
  addLogOption(command).action(runGateway);
}

function addressOption(flags: string, description: string): Option {
  return new Option(flags, description).argParser((text: string, before: GatewayAddress[] = []) => [
    ...before,
    parseGatewayAddress(text),
  ]);
}

function parseGatewayAddress(text: string): GatewayAddress {
  if (text.startsWith('tls:')) return { kind: 'tls', ...parseListen(text.slice(4)) };
  if (!text.startsWith('unix:')) {
    const address: GatewayAddress = { kind: 'tcp', ...parseListen(text) };
    try {
      checkAddress(address, undefined);
    } catch (error) {
      throw error instanceof FairleadError ? new InvalidArgumentError(`${error.message}.`) : error;
    }
    return address;
  }
  return { kind: 'unix', ...parseSocketListen(text) };
}

function parseTimeout(text: string): number {
  const seconds = parseSeconds(text);
  if (seconds < 1 || seconds > 86_400) throw new InvalidArgumentError('Write 1 to 86400 seconds.');
  return seconds;
}

function parseCount(text: string): number {
  const count = /^\d{1,7}$/.test(text) ? Number(text) : 0;
  if (count < 1 || count > 1_000_000) throw new InvalidArgumentError('Write a number from 1 to 1000000.');
  return count;
}

/** Where it does its work: a status page alone is none. */
function frontsOf({ httpConnect = [], socks5 = [], proxy = [] }: GatewayCommandOptions): GatewayAddress[] {
  return [...httpConnect, ...socks5, ...proxy];
}

function addressesOf(options: GatewayCommandOptions): GatewayAddress[] {
  return [...frontsOf(options), ...(options.statusPage ?? [])];
}

async function runGateway(options: GatewayCommandOptions, command: Command): Promise<void> {
  const log = await createLog(options);
  const { httpConnect = [], socks5 = [], maxConnections } = options;
  if (frontsOf(options).length === 0)
    throw new UsageError('nothing to listen on: add --http-connect, --socks5 or --proxy');
  if (socks5.some(({ kind }) => kind === 'tls'))
    throw new UsageError('--socks5 takes HOST:PORT or unix:PATH, not tls:');
  const certificate = await openServerCertificate(options, log);
  const credentials = await openCredentials(options, log);
  const dialTimeoutMs = options.dialTimeout * 1000;
  const access = await brokerAccess(options, log);
  const proxy = await openProxy(options, access, log);
  const meter = options.metrics && new GatewayMetrics(version);
  const tracing = await openTracing('fairlead-gateway');
  const broker = connect({ ...access, meter, ...(await e2eDialing(options, log)), dialTimeoutMs });
  let metrics: MetricsListener | undefined;
  try {
    if (meter !== undefined && options.metrics !== undefined) {
      if (certificate !== undefined) tellExpiry(meter.metrics, () => certificate.value().expiresAt);
      tellCredentialExpiry(meter.metrics, () => credentialEndsAt(access));
      metrics = await serveMetrics(options.metrics, meter.metrics);
    }
    const gateway = await startGateway({
      broker,
      httpConnect,
      socks5,
      proxy,
      statusPage: options.statusPage ?? [],
      version,
      certificate,
      credentials,
      dialTimeoutMs,
      maxConnections,
      log,
      meter,
      tracer: tracing.tracer,
    }).catch((error: unknown) => {
      // The flags were checked before: what is left is the state of the machine.
      throw error instanceof FairleadError ? new Failure(error.message) : error;
    });
    const listen = [...gateway.addresses];
    if (metrics !== undefined) listen.push(formatAddress(metrics.address.address, metrics.address.port));
    log.info({ event: 'ready', listen }, 'ready');
    const manager = new ServiceManager();
    manager.ready(`listening at ${listen.join(', ')}`);
    const signal = await firstSignal(await whenHungUp(command, liveLogLevel(log), log, manager));
    manager.stopping();
    log.info({ event: 'stopping', signal, seconds: options.drain }, 'draining');
    await gateway.drain(options.drain * 1000);
  } finally {
    certificate?.close();
    credentials?.close();
    proxy?.credentials.close();
    await metrics?.close();
    await broker.close();
    await tracing.close();
  }
}

async function openServerCertificate(
  options: GatewayCommandOptions,
  log: Logger,
): Promise<FollowedCertificate | undefined> {
  const { tlsCert: cert, tlsKey: key, clientCa: ca } = options;
  const isWanted = addressesOf(options).some(({ kind }) => kind === 'tls');
  if (cert === undefined && key === undefined && ca === undefined && !isWanted) return undefined;
  if (cert === undefined || key === undefined || ca === undefined)
    throw new UsageError('a tls: address needs --tls-cert, --tls-key and --client-ca, all three');
  if (!isWanted) throw new UsageError('--tls-cert, --tls-key and --client-ca go with a tls: address');
  return await openCertificate({ cert, key, ca }, log);
}

async function openCredentials(
  options: GatewayCommandOptions,
  log: Logger,
): Promise<(Credentials & { close(): void }) | undefined> {
  const { basicAuthFile: file } = options;
  if (file === undefined) return undefined;
  if (!addressesOf(options).some(({ kind }) => kind === 'tcp'))
    throw new UsageError(
      '--basic-auth-file goes with a HOST:PORT address: unix: and tls: ask for no password',
    );
  let followed: FollowedFile<Credentials>;
  try {
    followed = await followFile(file, {
      parse: parseCredentials,
      failed: (path, error) =>
        log.warn(
          { event: 'file-failed', path, error: error instanceof Error ? error.message : String(error) },
          'the users cannot be read: those before stay',
        ),
    });
  } catch (error) {
    throw error instanceof FairleadError ? new Failure(error.message) : error;
  }
  await warnIfWorldReadable(file, log);
  return {
    accept: (user, password) => followed.value().accept(user, password),
    close: () => followed.close(),
  };
}
