// Fairlead as it is used: broker, agent, `forward`; plain or over TLS, on each engine, or encrypted end to end.

import { fileURLToPath } from 'node:url';
import { freePort } from '../../test/rig/free-port.ts';
import { fairlead, type Path, type Processes, type Started } from '../processes.ts';
import { makeCertificate } from './certificate.ts';

export interface FairleadOptions {
  readonly engine?: 'memory' | 'nats' | 'edge';
  /** TLS on both links. */
  readonly tls?: boolean;
  /** Encrypted from dialer to agent. */
  readonly e2e?: boolean;
}

/** A path through Fairlead, and what agents need to join it. */
export interface FairleadPath extends Path {
  readonly brokerUrl: string;
  readonly secretFile: string;
  /** PEM, where the broker speaks TLS. */
  readonly caFile: string | undefined;
}

interface Brokers {
  readonly atAgent: Started;
  readonly atDialer: Started;
  readonly nats?: Started;
}

/** On two replicas the agent is at the first and the dialer at the second. */
export async function startFairlead(
  processes: Processes,
  name: string,
  target: number,
  options: FairleadOptions = {},
): Promise<FairleadPath> {
  const { engine = 'memory', tls = false, e2e = false } = options;
  const file = (suffix: string) => `${name}.${suffix}`;
  const secretFile = processes.write(file('secret'), 'a secret of the benchmark, long enough for HS256\n');
  const token = (kind: string) =>
    processes.write(
      file(kind),
      processes.run(fairlead, 'token', '--secret-file', secretFile, `--${kind}`, 'node'),
    );
  const certificate = tls ? makeCertificate(processes, name) : undefined;
  const { atAgent, atDialer, ...others } = await startBrokers(processes, engine, secretFile, certificate);
  const urlOf = ({ port }: Started) => `${tls ? 'wss' : 'ws'}://127.0.0.1:${port}`;
  const access = (kind: string, broker: Started) => [
    ...['--broker', urlOf(broker), '--token-file', token(kind)],
    ...(certificate === undefined ? [] : ['--ca', certificate.cert]),
  ];
  const keys = e2e ? makeKeys(processes, name) : undefined;
  const agent = await processes.start(fairlead, [
    ...['agent', ...access('agent', atAgent), '--node', 'node', '--allow', '127.0.0.1:*'],
    // The load comes from one dialer, as it would not elsewhere.
    ...[
      '--max-dials-per-second',
      '100000',
      '--max-opens-per-second',
      '100000',
      '--max-resets-per-second',
      '100000',
    ],
    ...(keys === undefined ? [] : keys.agent),
  ]);
  const dialer = await processes.start(fairlead, [
    ...['forward', ...access('dial', atDialer), ...(keys === undefined ? [] : ['--e2e', ...keys.dial])],
    `0:node:127.0.0.1:${target}`,
  ]);
  const brokers = atAgent === atDialer ? { broker: atAgent } : { broker: atAgent, broker2: atDialer };
  return {
    name,
    port: dialer.port,
    brokerUrl: urlOf(atAgent),
    secretFile,
    caFile: certificate?.cert,
    processes: { ...brokers, ...others, agent, dialer },
  };
}

async function startBrokers(
  processes: Processes,
  engine: 'memory' | 'nats' | 'edge',
  secretFile: string,
  certificate: { readonly cert: string; readonly key: string } | undefined,
): Promise<Brokers> {
  if (engine === 'edge') {
    const main = fileURLToPath(new URL('../../scripts/edge/main.js', import.meta.url));
    const args = [main, '--port', '0', '--auth-secret-file', secretFile];
    const edge = await processes.start(process.execPath, args);
    return { atAgent: edge, atDialer: edge };
  }
  // The load comes from one address and one principal, as it would not on a public broker.
  const limits = [
    'connections-per-address',
    'connections-per-second',
    'requests-per-second',
    'links-per-principal',
  ];
  const broker = [
    ...['broker', '--listen', '127.0.0.1:0', '--auth-secret-file', secretFile],
    ...limits.flatMap((limit) => [`--max-${limit}`, '100000']),
    ...(certificate === undefined ? [] : ['--tls-cert', certificate.cert, '--tls-key', certificate.key]),
  ];
  if (engine === 'memory') {
    const only = await processes.start(fairlead, broker);
    return { atAgent: only, atDialer: only };
  }
  const port = await freePort();
  const ready = /Server is ready/;
  const nats = await processes.start('nats-server', ['--addr', '127.0.0.1', '--port', String(port)], {
    ready,
  });
  const replica = [...broker, '--nats', `nats://127.0.0.1:${port}`];
  const isUp = /"msg":"ready"[\s\S]*"event":"nats-up"|"event":"nats-up"[\s\S]*"msg":"ready"/;
  const started = async (): Promise<Started> => {
    const at = await freePort();
    const args = replica.map((arg) => (arg === '127.0.0.1:0' ? `127.0.0.1:${at}` : arg));
    return { ...(await processes.start(fairlead, args, { ready: isUp })), port: at };
  };
  return { atAgent: await started(), atDialer: await started(), nats };
}

function makeKeys(processes: Processes, name: string): Record<'agent' | 'dial', string[]> {
  const file = (kind: string) => processes.path(`${name}.${kind}.pem`);
  const pin = (kind: string) =>
    processes.run(fairlead, 'keys', '--e2e', '--key-file', file(kind)).split('\n', 1)[0] ?? '';
  const peers = processes.write(`${name}.peers`, `${pin('agent')} node\n${pin('dial')} node\n`);
  const flags = (kind: string) => ['--e2e-key', file(kind), '--e2e-peers', peers];
  return { agent: flags('agent'), dial: flags('dial') };
}
