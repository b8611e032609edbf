// The manifests of deploy/kubernetes: what kubectl makes of them, against the published schemas, and what they promise.

import { execFile, execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, expect, test } from 'vitest';
import { parse } from 'yaml';
import * as z from 'zod';
import { parseAuthConfig } from '../../src/broker/identity-config.ts';
import { type Container, type Document, documentsOf, manifests, podOf, render } from '../rig/manifests.ts';

const project = fileURLToPath(new URL('../..', import.meta.url));
const require = createRequire(import.meta.url);
const directory = mkdtempSync(join(tmpdir(), 'fairlead-schemas-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const folders = ['base', 'overlays/nats', 'overlays/reverse'];
const rendered = new Map(folders.map((folder) => [folder, render(folder)]));
const controlPlane = (name: string): string => readFileSync(join(manifests, 'control-plane', name), 'utf8');
const staticPods = documentsOf(controlPlane('gateway-static-pod.yaml'));
/** All there are, each once as it is deployed. */
const documents = [...[...rendered.values()].flat(), ...staticPods];

function named(list: readonly Document[], kind: string, name: string): Document {
  const found = list.find((one) => one.kind === kind && one.metadata?.name === name);
  if (found === undefined) throw new Error(`there is no ${kind} "${name}"`);
  return found;
}

function containerOf(document: Document): Container {
  const [container] = podOf(document)?.containers ?? [];
  if (container === undefined) throw new Error('no container');
  return container;
}

const kustomizationSchema = z.strictObject({
  apiVersion: z.literal('kustomize.config.k8s.io/v1beta1'),
  kind: z.literal('Kustomization'),
  namespace: z.literal('fairlead'),
  resources: z.array(z.string()),
  configMapGenerator: z
    .array(
      z.strictObject({
        name: z.string(),
        files: z.array(z.string()).optional(),
        literals: z.array(z.string()).optional(),
      }),
    )
    .default([]),
  patches: z.array(z.strictObject({ path: z.string() })).default([]),
});

test.each(folders)('all that the kustomization of %s names is there, and no file is left out', (folder) => {
  const at = join(manifests, folder);
  const kustomization = kustomizationSchema.parse(
    parse(readFileSync(join(at, 'kustomization.yaml'), 'utf8')),
  );
  const { resources, patches, configMapGenerator } = kustomization;
  const files = configMapGenerator.flatMap(({ files = [] }) => files);
  const used = [...resources, ...patches.map(({ path }) => path), ...files];
  for (const one of used) expect(existsSync(join(at, one)), one).toBe(true);
  const local = used.filter((one) => !one.startsWith('..'));
  expect(readdirSync(at).sort()).toEqual([...local, 'kustomization.yaml'].sort());
});

/** Documents as TypeScript objects of the published types, which knows every field there is: errors of the compiler. */
async function misfits(list: readonly Document[]): Promise<string[]> {
  const lines = list.map(({ apiVersion, kind }, index) => {
    const type = `import('kubernetes-models/${apiVersion}/${kind}').I${kind}`;
    return `export const document${index}: ${type} = ${JSON.stringify(list[index])};`;
  });
  mkdirSync(directory, { recursive: true });
  if (!existsSync(join(directory, 'node_modules')))
    symlinkSync(join(project, 'node_modules'), join(directory, 'node_modules'));
  const source = join(directory, 'documents.ts');
  writeFileSync(source, lines.join('\n'));
  const options = ['--noEmit', '--strict', '--skipLibCheck', '--ignoreConfig'];
  const resolution = ['--module', 'esnext', '--moduleResolution', 'bundler', '--types', ''];
  const compiler = join(project, 'node_modules/.bin/tsc');
  return await new Promise((resolve) =>
    execFile(compiler, [...options, ...resolution, source], { cwd: directory }, (_, stdout, stderr) =>
      resolve(`${stdout}${stderr}`.split('\n').filter((line) => line.includes('error'))),
    ),
  );
}

interface Model {
  validate(): void;
}

/** Throws where the published schema is not met. */
function validate(document: Document): void {
  const { apiVersion, kind } = document;
  const module = require(`kubernetes-models/${apiVersion}/${kind}`) as Record<
    string,
    new (
      data: object,
    ) => Model
  >;
  const Kind = module[kind];
  if (Kind === undefined) throw new Error(`no schema of ${apiVersion} ${kind}`);
  new Kind(document).validate();
}

test('every document is what the published schemas say, to the last field', async () => {
  for (const document of documents) validate(document);
  expect(await misfits(documents)).toEqual([]);
});

test('a field that is misspelt, missing or of another type would be found', async () => {
  const agent = JSON.stringify(named(documents, 'DaemonSet', 'agent'));
  const changed = (from: string, to: string): Document => {
    expect(agent).toContain(from);
    return JSON.parse(agent.replace(from, to)) as Document;
  };
  expect(() => validate(changed('"hostNetwork":true', '"hostNetwork":"yes"'))).toThrow('hostNetwork');
  expect(() => validate(changed('"containers":', '"container":'))).toThrow('containers');
  expect(await misfits([changed('"hostNetwork"', '"hostNetwrk"')])).toEqual([
    expect.stringContaining(`'"hostNetwrk"' does not exist`),
  ]);
});

test('what no package has a schema for has the fields that its reader knows, and no other', () => {
  const selection = z.strictObject({
    name: z.enum(['cluster', 'controlplane', 'etcd']),
    connection: z.strictObject({
      proxyProtocol: z.literal('HTTPConnect'),
      transport: z.strictObject({ uds: z.strictObject({ udsName: z.string().startsWith('/') }) }),
    }),
  });
  z.strictObject({
    apiVersion: z.literal('apiserver.k8s.io/v1beta1'),
    kind: z.literal('EgressSelectorConfiguration'),
    egressSelections: z.array(selection).length(1),
  }).parse(parse(controlPlane('egress-selector.yaml')));
  z.strictObject({
    apiVersion: z.literal('kubeadm.k8s.io/v1beta4'),
    kind: z.literal('ClusterConfiguration'),
    apiServer: z.strictObject({
      extraArgs: z.array(z.strictObject({ name: z.string(), value: z.string() })),
      extraVolumes: z.array(
        z.strictObject({
          name: z.string(),
          hostPath: z.string(),
          mountPath: z.string(),
          readOnly: z.boolean(),
          pathType: z.literal('Directory'),
        }),
      ),
    }),
  }).parse(parse(controlPlane('kubeadm.yaml')));
});

test('gateway and kube-apiserver mean the same socket, and both have its folder', () => {
  const [gateway] = staticPods;
  if (gateway === undefined) throw new Error('no gateway');
  const { args = [], volumeMounts = [] } = containerOf(gateway);
  const [socket] = args.flatMap((arg) => /^--http-connect=unix:(.*)$/.exec(arg)?.[1] ?? []);
  expect(controlPlane('egress-selector.yaml')).toContain(`udsName: ${socket}\n`);
  const folder = socket?.slice(0, socket.lastIndexOf('/'));
  expect(volumeMounts.map(({ mountPath }) => mountPath)).toContain(folder);
  expect(podOf(gateway)?.volumes).toContainEqual(
    expect.objectContaining({ hostPath: { path: folder, type: 'Directory' } }),
  );
  const { apiServer } = parse(controlPlane('kubeadm.yaml'));
  expect(apiServer.extraVolumes).toContainEqual(
    expect.objectContaining({ hostPath: folder, mountPath: folder }),
  );
});

test('no container is root, has a capability, or can write to its image', () => {
  const pods = documents.flatMap((document) => podOf(document) ?? []);
  expect(pods.length).toBeGreaterThan(6);
  for (const pod of pods) {
    expect(pod.securityContext).toMatchObject({
      runAsNonRoot: true,
      runAsUser: 65532,
      seccompProfile: { type: 'RuntimeDefault' },
    });
    for (const { securityContext } of pod.containers)
      expect(securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
  }
});

test('the one right in the cluster is to read the keys of service-account tokens, and the agent has none', () => {
  for (const list of rendered.values()) {
    const roles = list.filter(({ kind }) => /Role/.test(kind));
    expect(roles).toEqual([
      expect.objectContaining({
        kind: 'ClusterRoleBinding',
        roleRef: expect.objectContaining({ name: 'system:service-account-issuer-discovery' }),
        subjects: [{ kind: 'ServiceAccount', name: 'broker', namespace: 'fairlead' }],
      }),
    ]);
    expect(podOf(named(list, 'DaemonSet', 'agent'))).toMatchObject({ automountServiceAccountToken: false });
  }
});

test('pods have longer to end than the commands in them take', () => {
  const drains = { agent: 30, gateway: 30, broker: 5 };
  for (const document of documents) {
    const pod = podOf(document);
    const [command] = pod?.containers[0]?.args ?? [];
    const seconds = Object.entries(drains).find(([name]) => name === command)?.[1];
    if (pod === undefined || seconds === undefined) continue;
    const [container] = pod.containers as (Container & { lifecycle?: { preStop: { exec: object } } })[];
    const before = container?.lifecycle === undefined ? 0 : 10;
    expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(before + seconds + 10);
  }
});

test('overlays add to the command lines of the base and take nothing away', () => {
  const base = rendered.get('base') ?? [];
  for (const [folder, kind, name] of [
    ['overlays/nats', 'Deployment', 'broker'],
    ['overlays/reverse', 'DaemonSet', 'agent'],
  ] as const) {
    const before = containerOf(named(base, kind, name)).args ?? [];
    const after = containerOf(named(rendered.get(folder) ?? [], kind, name)).args ?? [];
    expect(after.slice(0, before.length)).toEqual(before);
    expect(after.length).toBeGreaterThan(before.length);
  }
});

test('the image is of this version, everywhere', () => {
  const { version } = JSON.parse(readFileSync(join(project, 'package.json'), 'utf8')) as { version: string };
  const images = documents
    .flatMap((document) => podOf(document)?.containers ?? [])
    .filter(({ command }) => command === undefined)
    .map(({ image }) => image);
  expect(new Set(images)).toEqual(new Set([`fairlead:${version}`]));
});

test('the list of issuers is one that a broker takes, and is rolled out when it changes', () => {
  const text = readFileSync(join(manifests, 'base/auth-config.json'), 'utf8');
  expect(parseAuthConfig(text).issuers.map(({ audience }) => audience)).toEqual([
    'fairlead',
    'fairlead-way-back',
    'fairlead',
  ]);
  const broker = podOf(named(rendered.get('base') ?? [], 'Deployment', 'broker'));
  expect(broker?.volumes).toContainEqual({
    name: 'auth',
    configMap: { name: expect.stringMatching(/^broker-auth-\w+$/) },
  });
});

test('NATS takes its configuration', () => {
  const file = join(manifests, 'overlays/nats/nats.conf');
  const output = execFileSync('nats-server', ['--config', file, '-t'], {
    env: { ...process.env, POD_NAME: 'nats-0', NATS_PASSWORD: 'p0e1234567890abcdef' },
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  expect(output).toBe('');
});
