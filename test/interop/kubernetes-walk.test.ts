// The walk of docs/kubernetes.md, as it is written: each block is run by a shell, on the manifests' own command lines,
// with kubectl, curl and ssh, and what it prints is compared with what the page says.

import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { Deployed } from '../rig/deployed.ts';
import { freePort } from '../rig/free-port.ts';
import { Kubelet } from '../rig/kubelet.ts';
import { Rig } from '../rig/rig.ts';
import { startSshd } from '../rig/sshd.ts';

const page = readFileSync(fileURLToPath(new URL('../../docs/kubernetes.md', import.meta.url)), 'utf8');

interface Block {
  readonly heading: string;
  readonly kind: 'walk' | 'start';
  readonly commands: string;
  /** What follows it; of what is started, nothing. */
  readonly expected: string | undefined;
}

const blocks = page.split(/^(?=##+ )/m).flatMap((section): Block[] => {
  const heading = section.slice(0, section.indexOf('\n')).replace(/^#+ /, '');
  const found = section.matchAll(/^```sh (walk|start)\n(.*?)^```\n(?:```text\n(.*?)^```\n)?/gms);
  return [...found].map(([, kind, commands = '', expected]) => ({
    heading,
    kind: kind as Block['kind'],
    commands,
    expected,
  }));
});

const rig = new Rig();
afterAll(() => rig[Symbol.asyncDispose]());

/** What is otherwise on this machine than the page says: addresses, and whose keys ssh takes. */
const here = new Map<string, string>();
const environment = {
  HOME: rig.directory,
  KUBECONFIG: rig.path('kubeconfig'),
  PATH: `${dirname(rig.fairleadPath)}:${process.env.PATH}`,
};

function replaced(commands: string): string {
  return [...here].reduce((text, [word, instead]) => text.replaceAll(word, instead), commands);
}

async function webServer(): Promise<number> {
  const server = createServer((_, response) => response.end('hello from web\n'));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  rig.defer(() => {
    server.closeAllConnections();
    server.close();
  });
  return (server.address() as AddressInfo).port;
}

/** Starts what the page starts before its commands; answers its ports. */
async function startGateway(): Promise<number[]> {
  const [start] = blocks.filter(({ kind }) => kind === 'start');
  const commands = start?.commands ?? '';
  for (const address of ['127.0.0.1:8088', '127.0.0.1:8090']) expect(commands).toContain(address);
  const anywhere = replaced(commands).replace(/127\.0\.0\.1:80\d\d/g, '127.0.0.1:0');
  const place = { cwd: rig.directory, env: environment };
  return await rig.start('bash', ['-c', `exec ${anywhere}`], 'ignore', place).ports();
}

beforeAll(async () => {
  const deployed = await Deployed.start(rig);
  const { authority, api, apiPort } = deployed.cluster;
  const webPort = await webServer();
  const server = await authority.issue('kubelet', { san: 'DNS:edge-1' });
  const kubelet = await Kubelet.start(rig, { server, clientCa: authority.cert });
  const sshd = await startSshd(rig);
  Object.assign(api, { kubeletPort: kubelet.port, webPort });

  const agent = await deployed.agent('edge-1', {
    kubeletPort: kubelet.port,
    pods: `127.0.0.1:${webPort}`,
    more: [`--allow=edge-1:${sshd.port}`],
  });
  const [wayBack] = await agent.ports();
  await (await deployed.controlPlaneAgent()).ports();
  await deployed.gateway();

  const ca = readFileSync(authority.cert, 'utf8');
  rig.write('ca.crt', ca);
  rig.write('cluster-ca.crt', ca);
  const client = await authority.issue('someone', { usage: 'clientAuth' });
  rig.write('kubelet-client.crt', readFileSync(client.cert, 'utf8'));
  rig.write('kubelet-client.key', readFileSync(client.key, 'utf8'));
  await deployed.dialToken('me');
  writeFileSync(
    environment.KUBECONFIG,
    JSON.stringify({
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'here',
      contexts: [{ name: 'here', context: { cluster: 'here', user: 'me', namespace: 'default' } }],
      // Without any kubectl asks for a name and a password.
      users: [{ name: 'me', user: { token: 'of nobody' } }],
      clusters: [
        {
          name: 'here',
          cluster: { server: `https://127.0.0.1:${apiPort}`, 'certificate-authority': rig.path('ca.crt') },
        },
      ],
    }),
  );

  const local = await freePort();
  here.set('wss://broker.example.com', deployed.brokerUrl);
  const [connect, proxy] = await startGateway();
  here
    .set('127.0.0.1:8088', `127.0.0.1:${connect}`)
    .set('127.0.0.1:8090', `127.0.0.1:${proxy}`)
    .set(':10250/', `:${kubelet.port}/`)
    .set('10.244.1.7:80', `127.0.0.1:${webPort}`)
    .set('8080:80', `${local}:${webPort}`)
    .set('127.0.0.1:8080', `127.0.0.1:${local}`)
    .set(':7443', `:${wayBack}`)
    .set('ssh -o', `ssh ${sshd.options.join(' ')} -p ${sshd.port} -o`)
    .set('root@', `${sshd.user}@`);
});

test('the page has its walk, and what stands here for its addresses is in it', () => {
  const all = blocks.map(({ commands }) => commands).join('');
  for (const word of here.keys()) expect(all).toContain(word);
  for (const { kind, expected } of blocks) expect(expected === undefined).toBe(kind === 'start');
  expect(page.match(/^```sh/gm)).toHaveLength(blocks.length);
  for (const program of ['kubectl logs', 'kubectl exec', 'kubectl port-forward', 'kubectl get --raw', 'ssh'])
    expect(all).toContain(program);
});

const walk = blocks.filter(({ kind }) => kind === 'walk');

test.each(walk.map((block) => [block.heading, block] as const))(
  '%s',
  async (_, { commands, expected = '' }) => {
    const { stdout, stderr } = await rig.run('bash', ['-eu', '-c', replaced(commands)], '', {
      cwd: rig.directory,
      env: environment,
    });
    const pattern = expected
      .trimEnd()
      .split('…')
      .map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('[^\\n]*');
    expect(stdout.toString().replaceAll('\r', '').trimEnd(), stderr).toMatch(new RegExp(`^${pattern}$`));
  },
);
