// How a command ends when it does not end well: one line on stderr and an exit code, never a stack trace.

import { CommanderError } from 'commander';
import { printable } from '../files/printable.ts';
import { FairleadError } from '../protocol/errors.ts';

/** Longest that the line may be. */
const maxCharacters = 2048;

export const exitCodes = { done: 0, failed: 1, usage: 2 } as const;

/** The command line is wrong; the message says what to write instead. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** Something that the person running the command has to change; the message says what. */
export class Failure extends Error {
  override readonly name = 'Failure';
}

interface SystemError {
  readonly code: string;
  readonly path?: string;
  readonly address?: string;
  readonly port?: number;
  /** What Node's permission model did not allow, and for what. */
  readonly permission?: string;
  readonly resource?: string;
}

/** What people can do about the failures that they meet first. */
const hints: Readonly<Record<string, string>> = {
  ERR_UNAUTHORIZED: 'make a new one with "fairlead token", signed with a key that the broker takes',
  ERR_FORBIDDEN: 'make a token that allows it: see "fairlead token --help"',
  ERR_NODE_UNREACHABLE: 'see "fairlead nodes" for the agents that are connected',
  ERR_BROKER_UNREACHABLE: 'check that the broker runs and that --broker names it',
  ERR_TARGET_DENIED: 'the agent must be started with --allow for this target',
  ERR_GRANT_DENIED: 'the token must be made with --target for this target',
};

/** The same, where it is a certificate's fault. */
const certificateHints: typeof hints = {
  ERR_UNAUTHORIZED: "show one that the broker's --client-ca has issued, and that its --auth-config knows",
  ERR_FORBIDDEN: "the broker's --auth-config says what a certificate grants",
  ERR_BROKER_UNREACHABLE: 'name the certificate to trust with --ca, or the broker as its certificate does',
};

export function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return exitCodes.usage;
  if (error instanceof FairleadError && error.code === 'ERR_CONFIG') return exitCodes.usage;
  if (error instanceof CommanderError) return error.exitCode === 0 ? exitCodes.done : exitCodes.usage;
  return exitCodes.failed;
}

/** One line, without a trailing newline. */
export function describe(error: unknown): string {
  if (error instanceof FairleadError) {
    const hint = hintOn(error);
    if (error.code === 'ERR_CONFIG') return oneLine(error.message);
    return oneLine(`${error.message} (${error.code})${hint === undefined ? '' : `: ${hint}`}`);
  }
  if (error instanceof CommanderError) return oneLine(error.message.replace(/^error: /, ''));
  if (!(error instanceof Error)) return oneLine(String(error));
  return oneLine(describeSystemError(error) ?? error.message);
}

function hintOn({ code, message }: FairleadError): string | undefined {
  // What a proxy did not do is said with what to do.
  if (message.startsWith('the proxy ')) return undefined;
  return /\bcertificate\b/.test(message) ? certificateHints[code] : hints[code];
}

function describeSystemError(error: Error): string | undefined {
  if (!('code' in error) || typeof error.code !== 'string') return undefined;
  const { code, path, address, port, permission, resource } = error as Error & SystemError;
  const where = address === undefined ? '' : ` ${address.includes(':') ? `[${address}]` : address}:${port}`;
  switch (code) {
    case 'EADDRINUSE':
      return `the address${where} is in use: stop what listens there or choose another port`;
    case 'EADDRNOTAVAIL':
      return `the address${where} is not one of this machine's: choose another address to listen on`;
    case 'EACCES':
      return path === undefined
        ? `not allowed to use${where === '' ? ' that address' : where}: ports below 1024 need more rights`
        : `not allowed to read ${path}: check its owner and mode`;
    case 'ENOENT':
      return path === undefined ? undefined : `there is no file ${path}`;
    case 'ERR_ACCESS_DENIED':
      return `Node's permission model does not allow ${permission ?? 'this'}${resource ? ` of ${resource}` : ''}`;
    case 'EISDIR':
      return `${path ?? 'what was given'} is a directory, not a file`;
    default:
      return undefined;
  }
}

/** Part of it may be what a broker or an agent said. */
function oneLine(text: string): string {
  return printable(text.trim().replace(/\s*\n\s*/g, ' '), maxCharacters);
}
