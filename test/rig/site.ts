// Broker, agent of node `edge-1` and a gateway with proxy paths, all in this process, so that a test can count what is
// left: `await using site = await Site.start(rig)`.

import { startAgent } from '../../src/agent/index.ts';
import { type Broker, mintToken, startBroker } from '../../src/broker/index.ts';
import { type BrokerClient, connect } from '../../src/client/index.ts';
import {
  followTargetCredentials,
  type Gateway,
  type GatewayOptions,
  type ProxyOptions,
  startGateway,
} from '../../src/gateway/index.ts';
import type { Rig } from './rig.ts';

type Agent = Awaited<ReturnType<typeof startAgent>>;
type CredentialFiles = Parameters<typeof followTargetCredentials>[0];

const secret = 'a secret for tests that is long enough';

interface Wishes {
  /** What the agent lets dialers reach. Default: everything on 127.0.0.1. */
  readonly allow?: readonly string[];
  readonly files?: CredentialFiles;
  readonly proxy?: Partial<ProxyOptions>;
  readonly gateway?: Partial<GatewayOptions>;
}

interface Left {
  readonly clients: number;
  readonly targets: number;
  readonly streams: number;
}

export class Site {
  readonly broker: Broker;
  readonly agent: Agent;
  readonly client: BrokerClient;
  readonly gateway: Gateway;
  /** What could not be read of files that changed. */
  readonly failures: unknown[];

  private constructor(
    broker: Broker,
    agent: Agent,
    client: BrokerClient,
    gateway: Gateway,
    failures: unknown[],
  ) {
    this.broker = broker;
    this.agent = agent;
    this.client = client;
    this.gateway = gateway;
    this.failures = failures;
  }

  /** Ends with the rig. */
  static async start(rig: Rig, wishes: Wishes = {}): Promise<Site> {
    const broker = await startBroker({ secret, port: 0, drainMs: 100 });
    rig.defer(() => broker.close());
    const agent = await startAgent({
      url: broker.url,
      token: await mintToken({ secret, agent: 'edge-1', routes: ['default'] }),
      node: 'edge-1',
      allow: wishes.allow ?? ['127.0.0.1:*'],
      routes: ['default'],
    });
    rig.defer(() => agent.close());
    const client = connect({ url: broker.url, token: await mintToken({ secret, dial: ['*'] }) });
    rig.defer(() => client.close());
    const failures: unknown[] = [];
    const credentials = await followTargetCredentials(wishes.files ?? {}, (error) => failures.push(error));
    rig.defer(() => credentials.close());
    const gateway = await startGateway({
      broker: client,
      proxy: {
        addresses: [{ kind: 'tcp', host: '127.0.0.1', port: 0 }],
        credentials,
        takesPlainHttp: true,
        ...wishes.proxy,
      },
      ...wishes.gateway,
    });
    rig.defer(() => gateway.close());
    return new Site(broker, agent, client, gateway, failures);
  }

  /** Port of the gateway's address at `index`. */
  port(index = 0): number {
    const address = this.gateway.addresses[index] ?? '';
    return Number(address.slice(address.lastIndexOf(':') + 1));
  }

  /** Of a proxy path. */
  url(path: string): string {
    return `http://127.0.0.1:${this.port()}${path}`;
  }

  get left(): Left {
    return {
      clients: this.gateway.connectionCount,
      targets: this.gateway.proxyTargetCount,
      streams: this.agent.streamCount,
    };
  }

  /** Resolves once `matches`; what has no end fails by the test's time limit. */
  async until(matches: (left: Left) => boolean): Promise<void> {
    while (!matches(this.left)) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  /** Ends the gateway and resolves once nothing is left anywhere. */
  async empty(): Promise<void> {
    await this.gateway.drain(1_000);
    await this.until(({ clients, targets, streams }) => clients + targets + streams === 0);
  }
}
