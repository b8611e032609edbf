// The manifests, deployed on this machine: the broker of the base, agents and the way back, and the gateway of the
// control plane, each its own process with the command line of its pod.

import { mkdirSync, readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { Cluster } from './cluster.ts';
import { freePort } from './free-port.ts';
import { type Document, documentsOf, manifests, render } from './manifests.ts';
import type { Program, Rig } from './rig.ts';
import { Workload } from './workload.ts';

const documents = render('overlays/reverse');
const replicated = render('overlays/nats');
const [staticPod] = documentsOf(readFileSync(`${manifests}/control-plane/gateway-static-pod.yaml`, 'utf8'));

function named(kind: string, name: string, among: readonly Document[] = documents): Document {
  const found = among.find((one) => one.kind === kind && one.metadata?.name === name);
  if (found === undefined) throw new Error(`there is no ${kind} "${name}"`);
  return found;
}

/** A file of a ConfigMap, whose name ends in a hash of what it holds. */
function configured(among: readonly Document[], name: string, file: string): string {
  const found = among.find(
    ({ kind, metadata }) => kind === 'ConfigMap' && metadata?.name?.startsWith(`${name}-`),
  ) as Document & { data: Record<string, string> };
  return found.data[file] ?? '';
}

/** What is otherwise on this machine than the manifest of the agent says. */
interface AgentPlace {
  /** Of whose pod the token is. Default: of the node's own. */
  readonly tokenNode?: string;
  readonly kubeletPort?: number;
  /** Where the pods' range is. Default: nowhere. */
  readonly pods?: string;
  readonly more?: readonly string[];
}

const natsPassword = 'p0e1f2a3b4c5d6';

export class Deployed {
  readonly cluster: Cluster;
  /** Where agents and gateways started from now on connect. */
  brokerUrl = '';
  private readonly rig: Rig;

  private constructor(rig: Rig, cluster: Cluster) {
    this.rig = rig;
    this.cluster = cluster;
  }

  static async start(rig: Rig): Promise<Deployed> {
    const deployed = await Deployed.prepare(rig);
    const broker = deployed.broker('broker', named('Deployment', 'broker'));
    deployed.brokerUrl = await urlOf(broker.start(anywhere));
    return deployed;
  }

  /** Two brokers of the overlay for NATS, and one NATS server with its configuration; answers the brokers' URLs. */
  static async startReplicated(rig: Rig): Promise<{ deployed: Deployed; urls: string[] }> {
    const deployed = await Deployed.prepare(rig);
    const port = await freePort();
    const configuration = configured(replicated, 'nats-config', 'nats.conf')
      .replace('0.0.0.0:4222', `127.0.0.1:${port}`)
      .replaceAll(/0\.0\.0\.0:\d+/g, '127.0.0.1:-1')
      .replace(/routes: \[[^\]]*\]/, 'routes: []');
    const file = rig.write('nats.conf', configuration);
    const env = { POD_NAME: 'nats-0', NATS_PASSWORD: natsPassword };
    await rig.start('nats-server', ['--config', file], 'ignore', { env }).said(/Server is ready/);
    const servers = 'nats://nats-0.nats:4222,nats://nats-1.nats:4222,nats://nats-2.nats:4222';
    const urls: string[] = [];
    for (const name of ['broker-0', 'broker-1']) {
      const pod = deployed.broker(name, named('Deployment', 'broker', replicated));
      pod.write('/etc/fairlead/nats/password', `${natsPassword}\n`);
      urls.push(await urlOf(pod.start({ ...anywhere, [servers]: `nats://127.0.0.1:${port}` })));
    }
    deployed.brokerUrl = urls[0] ?? '';
    return { deployed, urls };
  }

  private static async prepare(rig: Rig): Promise<Deployed> {
    const deployed = new Deployed(rig, await Cluster.start(rig));
    await deployed.cluster.authority.issue('broker', { san: 'DNS:localhost' });
    const made = await rig.run(rig.fairleadPath, [
      ...['keys', '--key-file', rig.path('signing-key.json'), '--jwks', rig.path('jwks.json')],
    ]);
    if (made.code !== 0) throw new Error(made.stderr);
    return deployed;
  }

  private broker(name: string, document: Document): Workload {
    const { rig, cluster } = this;
    const pod = new Workload(rig, name, document);
    const account = '/var/run/secrets/kubernetes.io/serviceaccount';
    pod.write(`${account}/ca.crt`, this.ca);
    pod.write(`${account}/token`, cluster.brokerToken);
    pod.write('/etc/fairlead/tls/tls.crt', readFileSync(rig.path('broker.pem'), 'utf8'));
    pod.write('/etc/fairlead/tls/tls.key', readFileSync(rig.path('broker.key'), 'utf8'));
    pod.write('/etc/fairlead/gateway-keys/jwks.json', readFileSync(rig.path('jwks.json'), 'utf8'));
    const config = configured(documents, 'broker-auth', 'auth-config.json')
      .replaceAll('https://kubernetes.default.svc/', `https://127.0.0.1:${cluster.apiPort}/`)
      .replace('control-plane:6443', `control-plane:${cluster.apiPort}`);
    pod.writePlaced('/etc/fairlead/auth/auth-config.json', config);
    return pod;
  }

  private get ca(): string {
    return readFileSync(this.cluster.authority.cert, 'utf8');
  }

  async agent(node: string, place: AgentPlace = {}): Promise<Program> {
    const { rig, cluster, brokerUrl } = this;
    const { tokenNode = node, kubeletPort = 10_250, pods = '10.244.0.0/16:*', more } = place;
    const pod = new Workload(rig, `agent-${node}`, named('DaemonSet', 'agent'));
    pod.write('/etc/fairlead/ca/ca.crt', this.ca);
    const secrets = '/var/run/secrets/fairlead';
    pod.write(`${secrets}/token`, await cluster.token('agent', tokenNode, 'fairlead'));
    pod.write(`${secrets}/way-back`, await cluster.token('agent', tokenNode, 'fairlead-way-back'));
    const here = {
      ':10250': `:${kubeletPort}`,
      '10.244.0.0/16:*': pods,
      ':7443=': ':0=',
      ':6443': `:${cluster.apiPort}`,
    };
    return pod.start(here, { NODE_NAME: node, HOST_IP: '127.0.0.1', FAIRLEAD_BROKER: brokerUrl }, more);
  }

  async controlPlaneAgent(): Promise<Program> {
    const { rig, cluster, brokerUrl } = this;
    const pod = new Workload(rig, 'control-plane-agent', named('DaemonSet', 'control-plane-agent'));
    pod.write('/etc/fairlead/ca/ca.crt', this.ca);
    const token = await cluster.token('control-plane-agent', 'master-1', 'fairlead');
    pod.write('/var/run/secrets/fairlead/token', token);
    return pod.start({ ':6443': `:${cluster.apiPort}` }, { FAIRLEAD_BROKER: brokerUrl });
  }

  /** A dial token as docs/kubernetes.md makes it; answers the file's path. */
  async dialToken(subject: string): Promise<string> {
    const { rig } = this;
    const { code, stdout, stderr } = await rig.run(rig.fairleadPath, [
      ...['token', '--key-file', rig.path('signing-key.json'), '--dial', '*', '*.*'],
      ...['--issuer', 'fairlead-gateway', '--audience', 'fairlead', '--subject', subject],
    ]);
    if (code !== 0) throw new Error(stderr);
    return rig.write(`${subject}.token`, stdout.toString());
  }

  /** The gateway beside kube-apiserver; answers its socket, which the API server is told of. */
  async gateway(): Promise<string> {
    const { rig, cluster, brokerUrl } = this;
    if (staticPod === undefined) throw new Error('no static pod');
    const pod = new Workload(rig, 'gateway', staticPod);
    pod.write('/etc/kubernetes/fairlead/ca.crt', this.ca);
    const token = readFileSync(await this.dialToken('gateway'), 'utf8');
    pod.write('/etc/kubernetes/fairlead/gateway.token', token);
    const socket = pod.at('/var/lib/fairlead/gateway.sock');
    mkdirSync(dirname(socket), { recursive: true });
    await pod.start({ 'wss://broker.example.com': brokerUrl }).said(/"msg":"ready"/);
    cluster.api.udsName = socket;
    return socket;
  }
}

const anywhere = { '0.0.0.0:8443': '127.0.0.1:0', '0.0.0.0:9464': '127.0.0.1:0' };

/** Of a broker, by the name in its certificate. */
async function urlOf(broker: Program): Promise<string> {
  const [port = 0] = await broker.ports();
  return `wss://localhost:${port}`;
}
