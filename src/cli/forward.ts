// `fairlead forward`: local TCP ports and UNIX sockets, each connection a stream to a target behind a node.

import type { Command } from 'commander';
import { connect } from '../client/index.ts';
import { type ForwardSpec, parseForward } from './address.ts';
import { addBrokerOptions, type BrokerOptions, brokerAccess } from './credentials.ts';
import { addE2eDialOptions, type E2eDialFlags, e2eDialing } from './e2e-options.ts';
import { type LocalListener, listenLocally } from './local-listener.ts';
import { addLogOption, createLog, type LogOptions } from './log.ts';
import { firstSignal } from './signals.ts';

interface ForwardOptions extends BrokerOptions, E2eDialFlags, LogOptions {}

export function addForwardCommand(program: Command): void {
  const command = program
    .command('forward')
    .description(
      'Listens on local ports or UNIX sockets; each connection goes to a target that the agent of NODE reaches.',
    )
    .argument(
      '<[bind:]port:node:host:port...>',
      'what to listen on (port 0 picks a free one) and where it leads',
      (text: string, before: ForwardSpec[] = []) => [...before, parseForward(text)],
    )
    .addHelpText(
      'after',
      [
        '',
        'Without a bind address it listens on 127.0.0.1, for this machine only. With unix:PATH in the place of the port it',
        'listens at a UNIX socket, for you only.',
        '',
        'Examples:',
        '  fairlead forward --broker wss://broker.example.com --token-file me.token 8022:edge-1:127.0.0.1:22',
        '  fairlead forward 2375:edge-1:unix:/run/docker.sock',
        '  fairlead forward unix:docker.sock:edge-1:unix:/run/docker.sock',
        '  fairlead forward 0.0.0.0:8443:edge-1:10.0.0.5:443 "[::1]:9090:edge-2:[fd00::7]:9090"',
      ].join('\n'),
    );
  addBrokerOptions(command);
  addE2eDialOptions(command);
  addLogOption(command).action(forward);
}

async function forward(specs: ForwardSpec[], options: ForwardOptions): Promise<void> {
  const log = await createLog(options);
  const broker = connect({ ...(await brokerAccess(options, log)), ...(await e2eDialing(options, log)) });
  const listeners: LocalListener[] = [];
  try {
    for (const spec of specs) listeners.push(await listenLocally(broker, spec, log));
    log.info({ event: 'ready', listen: listeners.map((listener) => listener.address) }, 'ready');
    const signal = await firstSignal();
    log.info({ event: 'stopping', signal }, 'closing');
  } finally {
    await Promise.all(listeners.map((listener) => listener.close()));
    await broker.close();
  }
}
