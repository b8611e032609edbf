// A workload of the manifests, run as its pod would run it: its own command line, with the files that it would mount.

import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Container, type Document, expand, type PodSpec, podOf } from './manifests.ts';
import type { Program, Rig } from './rig.ts';

export class Workload {
  private readonly rig: Rig;
  private readonly name: string;
  private readonly pod: PodSpec;
  private readonly container: Container;

  constructor(rig: Rig, name: string, document: Document) {
    const pod = podOf(document);
    const [container] = pod?.containers ?? [];
    if (pod === undefined || container === undefined) throw new Error(`${document.kind} has no container`);
    this.rig = rig;
    this.name = name;
    this.pod = pod;
    this.container = container;
  }

  /** Where a path of the pod is on this machine; it must lie in something that is mounted. */
  at(path: string): string {
    const mount = this.mounts().find((one) => path === one || path.startsWith(`${one}/`));
    if (mount === undefined) throw new Error(`${path} is in none of the volumes of ${this.name}`);
    return join(this.rig.path(this.name), path);
  }

  /** Puts a file where the pod finds it at `path`. */
  write(path: string, content: string): void {
    mkdirSync(dirname(this.at(path)), { recursive: true });
    this.rig.write(join(this.name, path), content);
  }

  /**
   * Its command line, and `more` at its end. `here` says what is otherwise on this machine than in a cluster, such as ports; every one of
   * its words must occur, or what is run would not be what the manifest says.
   */
  start(
    here: Readonly<Record<string, string>>,
    environment: Readonly<Record<string, string>> = {},
    more: readonly string[] = [],
  ): Program {
    const { command, args = [] } = this.container;
    if (command !== undefined) throw new Error(`${this.name} runs another program`);
    const expanded = args.map((arg) => this.placed(expand(arg, environment)));
    for (const word of Object.keys(here))
      if (!expanded.some((arg) => arg.includes(word))) throw new Error(`${this.name} does not say ${word}`);
    const replaced = expanded.map((arg) =>
      Object.entries(here).reduce((text, [word, instead]) => text.replaceAll(word, instead), arg),
    );
    return this.rig.start(this.rig.fairleadPath, [...replaced, ...more], 'ignore', { env: environment });
  }

  private mounts(): string[] {
    const volumes = new Set(this.pod.volumes?.map(({ name }) => name));
    const { volumeMounts = [] } = this.container;
    const mounted = volumeMounts.filter(({ name }) => volumes.has(name)).map(({ mountPath }) => mountPath);
    return [...mounted, '/var/run/secrets/kubernetes.io/serviceaccount'];
  }

  /** Absolute paths in a text, as they are on this machine. */
  private placed(text: string): string {
    return text.replace(/(?<=[=:"])\/(?:etc|var)\/[\w./-]+/g, (path) => this.at(path));
  }

  /** A file of configuration that names files of the pod. */
  writePlaced(path: string, content: string): void {
    this.write(path, this.placed(content));
  }
}
