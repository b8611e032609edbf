// `fairlead gateway`: what tools that cannot link the SDK connect to: HTTP CONNECT.

import { type Command, Option } from 'commander';
import { connect } from '../client/index.ts';
import { type GatewayAddress, startGateway } from '../gateway/index.ts';
import { parseListen } from './address.ts';
import { addBrokerOptions, type BrokerOptions, brokerAccess } from './credentials.ts';
import { parseSeconds } from './duration.ts';
import { addE2eDialOptions, type E2eDialFlags, e2eDialing } from './e2e-options.ts';
import { UsageError } from './failure.ts';
import { addTargetOptions, openProxy, type ProxyCommandOptions } from './gateway-proxy.ts';
import { addLogOption, createLog, type LogOptions } from './log.ts';
import { firstSignal } from './signals.ts';

interface GatewayCommandOptions extends BrokerOptions, E2eDialFlags, LogOptions, ProxyCommandOptions {
  readonly httpConnect?: GatewayAddress[];
  readonly dialTimeout: number;
  readonly drain: number;
}

export function addGatewayCommand(program: Command): void {
  const command = program
    .command('gateway')
    .summary('let kube-apiserver, curl and ssh reach nodes as they are')
    .description(
      'Listens for tools that cannot dial by themselves, and connects each to the target that it names.',
    )
    .addOption(
      new Option('--http-connect <address>', 'speak HTTP CONNECT at HOST:PORT; repeatable').argParser(
        (text: string, before: GatewayAddress[] = []) => [...before, parseGatewayAddress(text)],
      ),
    )
    .addOption(
      new Option(
        '--proxy <address>',
        'serve /proxy/nodes/… and /proxy/hosts/… over HTTP; repeatable',
      ).argParser((text: string, before: GatewayAddress[] = []) => [...before, parseGatewayAddress(text)]),
    )
    .addOption(
      new Option('--dial-timeout <seconds>', 'longest that a dial takes').argParser(parseSeconds).default(10),
    )
    .addOption(
      new Option('--drain <seconds>', 'how long open connections may go on after SIGTERM')
        .argParser(parseSeconds)
        .default(30),
    );
  addTargetOptions(command);
  addBrokerOptions(command);
  addE2eDialOptions(command);
  addLogOption(command).action(runGateway);
}

function parseGatewayAddress(text: string): GatewayAddress {
  return { kind: 'tcp', ...parseListen(text) };
}

async function runGateway(options: GatewayCommandOptions): Promise<void> {
  const log = await createLog(options);
  const { httpConnect = [] } = options;
  if (httpConnect.length + (options.proxy ?? []).length === 0)
    throw new UsageError('nothing to listen on: add --http-connect or --proxy');
  const dialTimeoutMs = Math.max(1, options.dialTimeout * 1000);
  const access = await brokerAccess(options, log);
  const proxy = await openProxy(options, access, log);
  const broker = connect({ ...access, ...(await e2eDialing(options, log)), dialTimeoutMs });
  try {
    const gateway = await startGateway({ broker, httpConnect, proxy, dialTimeoutMs, log });
    log.info({ listen: gateway.addresses }, 'ready');
    const signal = await firstSignal();
    log.info({ signal, seconds: options.drain }, 'draining');
    await gateway.drain(options.drain * 1000);
  } finally {
    proxy?.credentials.close();
    await broker.close();
  }
}
