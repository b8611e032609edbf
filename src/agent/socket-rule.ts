// UNIX sockets as targets: `unix:/PATH` in the place of a host. Never matched by a rule for hosts and ports: what listens
// at a path is often worth more than any port.

import { foreignPath, isSocketPath } from '../link/socket-path.ts';
import { FairleadError } from '../protocol/errors.ts';

export interface SocketRule {
  /** Absolute and normal. */
  readonly path: string;
  /** Any name that begins so, in the same directory. */
  readonly isPrefix: boolean;
}

export function isSocketHost(text: string): boolean {
  return text.startsWith('unix:');
}

/** The path, where it is one that means what it says: absolute, without `..`, `//` and the like. */
export function socketPathOf(text: string): string | undefined {
  const path = text.slice('unix:'.length);
  return isSocketPath(path) ? path : undefined;
}

/** @throws FairleadError ERR_CONFIG naming the text and what is wrong with it */
export function parseSocketRule(text: string): SocketRule {
  const isPrefix = text.endsWith('*');
  const path = text.slice('unix:'.length, isPrefix ? -1 : undefined);
  // What is before the star may end in a slash: any socket in that directory.
  if (socketPathOf(`unix:${path}${isPrefix ? 'x' : ''}`) === undefined || path.includes('*'))
    throw new FairleadError(
      'ERR_CONFIG',
      `"${text.slice(0, 100)}" is no rule for a target: write unix:/PATH (on Windows unix:\\\\.\\pipe\\NAME), absolute, without "..", with "*" at its end only`,
    );
  return { path, isPrefix };
}

/** @throws FairleadError ERR_CONFIG for a rule that this machine could have no socket for */
export function refuseForeignSocket(rule: string, platform: NodeJS.Platform): void {
  // A star at the end of a pipe's rule stands for a name, which no platform minds.
  const wrong = foreignPath(rule.slice('unix:'.length).replace(/\*$/, 'x'), platform);
  if (wrong !== undefined)
    throw new FairleadError('ERR_CONFIG', `"${rule.slice(0, 100)}" is no rule for a target here: ${wrong}`);
}

export function fitsSocketRule({ path, isPrefix }: SocketRule, asked: string): boolean {
  if (!isPrefix) return asked === path;
  return asked.startsWith(path) && asked.length > path.length && !asked.slice(path.length).includes('/');
}

/** What was asked for, as people write it. */
export function targetName({ host, port }: { readonly host: string; readonly port: number }): string {
  return isSocketHost(host) ? host : `${host}:${port}`;
}
