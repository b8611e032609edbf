// The manifests of deploy/kubernetes as tests need them: rendered as a user would, and as documents and containers.

import { execFileSync } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse, parseAllDocuments } from 'yaml';

export const deploy = fileURLToPath(new URL('../../deploy', import.meta.url));
export const manifests = join(deploy, 'kubernetes');

export interface Document {
  readonly apiVersion: string;
  readonly kind: string;
  readonly metadata?: { readonly name?: string; readonly namespace?: string };
}

interface EnvironmentVariable {
  readonly name: string;
  readonly value?: string;
  readonly valueFrom?: object;
}

export interface Container {
  readonly name: string;
  readonly image: string;
  readonly command?: readonly string[];
  readonly args?: readonly string[];
  readonly env?: readonly EnvironmentVariable[];
  readonly securityContext?: object;
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string }[];
}

export interface PodSpec {
  readonly containers: readonly Container[];
  readonly serviceAccountName?: string;
  readonly securityContext?: object;
  readonly terminationGracePeriodSeconds?: number;
  readonly volumes?: readonly ({ readonly name: string } & Record<string, unknown>)[];
}

interface Workload extends Document {
  readonly spec: { readonly template?: { readonly spec: PodSpec } } & Partial<PodSpec>;
}

/** Every document of a YAML text; a mistake in the YAML is an error. */
export function documentsOf(text: string): Document[] {
  return parseAllDocuments(text).map((document) => {
    if (document.errors[0] !== undefined) throw document.errors[0];
    return document.toJS() as Document;
  });
}

/** What `kubectl kustomize` makes of a folder of the manifests, such as `overlays/nats`. */
export function render(folder: string): Document[] {
  const copy = mkdtempSync(join(tmpdir(), 'fairlead-manifests-'));
  try {
    cpSync(manifests, copy, { recursive: true });
    if (isOld()) for (const one of ['base', 'overlays/nats', 'overlays/reverse']) makeOld(join(copy, one));
    const output = execFileSync('kubectl', ['kustomize', join(copy, folder)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    return documentsOf(output);
  } finally {
    rmSync(copy, { recursive: true, force: true });
  }
}

/** The pod of a workload, or of a document that is one. */
export function podOf(document: Document): PodSpec | undefined {
  const { spec } = document as Workload;
  if (document.kind === 'Pod') return spec as PodSpec;
  return spec?.template?.spec;
}

/** `$(NAME)` as the kubelet replaces it. */
export function expand(text: string, environment: Readonly<Record<string, string>>): string {
  return text.replace(/\$\((\w+)\)/g, (_, name: string) => {
    const value = environment[name];
    if (value === undefined) throw new Error(`"${text}" needs the variable ${name}, which there is not`);
    return value;
  });
}

/** Debian's kubectl has a kustomize that knows what today's fields say by other names. */
function isOld(): boolean {
  const version = execFileSync('kubectl', ['version', '--client', '-o', 'json'], { encoding: 'utf8' });
  const { clientVersion } = JSON.parse(version) as { clientVersion: { gitVersion: string } };
  const [, minor] = /^v1\.(\d+)/.exec(clientVersion.gitVersion) ?? [];
  return Number(minor) < 21;
}

interface Kustomization {
  resources: string[];
  patches?: { path: string }[];
}

function makeOld(folder: string): void {
  const file = join(folder, 'kustomization.yaml');
  const { resources, patches = [], ...rest } = parse(readFileSync(file, 'utf8')) as Kustomization;
  const isFolder = (one: string) => !one.endsWith('.yaml');
  const old = {
    ...rest,
    bases: resources.filter(isFolder),
    resources: resources.filter((one) => !isFolder(one)),
    patchesStrategicMerge: patches.map(({ path }) => path),
  };
  writeFileSync(file, JSON.stringify(old));
}
