// Makes one connection for a dialer: checks what was asked, resolves it, checks what came out, and connects to
// that very address, all within one limit. What goes wrong gets the code that the dialer is to see.

import { lookup } from 'node:dns/promises';
import { realpath, stat } from 'node:fs/promises';
import { connect, isIP, type OnReadOpts, type Socket } from 'node:net';
import { withinDeadline } from '../link/deadline.ts';
import { isPipePath } from '../link/socket-path.ts';
import { FairleadError, type WireCode, wireCodes } from '../protocol/errors.ts';
import type { OpenRequest } from '../protocol/open.ts';
import { type AllowList, normalName } from './allow.ts';
import { isSocketHost, socketPathOf } from './socket-rule.ts';

export interface TargetPolicy {
  /** The agent's own node: as a host it means the node itself, at {@link loopback}. */
  readonly node: string;
  /** The node owner's list. */
  readonly allow: AllowList;
  /** What the dialer's token grants; undefined: whatever the agent allows. */
  readonly grants: AllowList | undefined;
}

export type Resolve = (host: string) => Promise<readonly string[]>;

/** Where the node itself is, in the order in which it is tried. */
const loopback: readonly string[] = ['127.0.0.1', '::1'];

/** What a machine says that lacks the address family: nothing about the target. */
const familyLacking: ReadonlySet<unknown> = new Set(['EADDRNOTAVAIL', 'EAFNOSUPPORT']);

async function resolveWithSystem(host: string): Promise<readonly string[]> {
  const answers = await lookup(host, { all: true, verbatim: true });
  return answers.map(({ address }) => address);
}

/**
 * A socket that is connected to the target and not yet flowing.
 *
 * @param signal gives up, for whatever reason of the caller's
 * @throws FairleadError with a {@link WireCode}: ERR_GRANT_DENIED, ERR_TARGET_DENIED, ENOTFOUND, ECONNREFUSED,
 *   ETIMEDOUT (after `timeoutMs`), EHOSTUNREACH, ENETUNREACH, ERR_TARGET_FAILED, ERR_ABORTED
 */
export async function dialTarget(
  request: OpenRequest,
  policy: TargetPolicy,
  timeoutMs: number,
  onread: OnReadOpts,
  signal: AbortSignal,
  resolve: Resolve = resolveWithSystem,
): Promise<Socket> {
  return await withinDeadline(timeoutMs, signal, (limit) =>
    dialWithin(limit, request, policy, onread, resolve),
  );
}

async function dialWithin(
  limit: AbortSignal,
  request: OpenRequest,
  policy: TargetPolicy,
  onread: OnReadOpts,
  resolve: Resolve,
): Promise<Socket> {
  if (isSocketHost(request.host)) return await dialSocket(request.host, policy, onread, limit);
  const where = `${request.host}:${request.port}`;
  const { port } = request;
  const host = normalName(request.host);
  if (policy.grants !== undefined && !policy.grants.mayAllow(host, port)) throw notGranted(where);
  if (!policy.allow.mayAllow(host, port)) throw notAllowed(where);
  const addresses = await addressesOf(host, policy.node, resolve, limit, where);
  const granted = addresses.filter((address) => policy.grants?.allowsAddress(host, address, port) ?? true);
  if (granted.length === 0 && addresses.length > 0) throw notGranted(where);
  const allowed = granted.filter((address) => policy.allow.allowsAddress(host, address, port));
  if (allowed.length === 0) throw addresses.length === 0 ? noAddress(where) : notAllowed(where);
  let failure: unknown;
  for (const address of allowed) {
    try {
      return await connectTo({ host: address, port }, onread, limit, where);
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      if (failure === undefined || !familyLacking.has(code)) failure = error;
      if (limit.aborted) break;
    }
  }
  throw rethrowable(failure, where);
}

/** The rules are asked of the name as it was written, and of what it leads to: links do not lead out of them. */
async function dialSocket(
  where: string,
  policy: TargetPolicy,
  onread: OnReadOpts,
  limit: AbortSignal,
): Promise<Socket> {
  const path = socketPathOf(where);
  if (path === undefined || !policy.allow.allowsSocket(path)) throw notAllowed(where);
  if (policy.grants !== undefined && !policy.grants.allowsSocket(path)) throw notGranted(where);
  // A pipe leads nowhere else, and is looked at by opening it.
  if (isPipePath(path)) return await connectTo({ path }, onread, limit, where).catch(rethrowSocket(where));
  const real = await beforeAbort(realpath(path), limit, where).catch(rethrowSocket(where));
  if (!policy.allow.allowsSocket(real)) throw notAllowed(where);
  const status = await beforeAbort(stat(real), limit, where).catch(rethrowSocket(where));
  // A file that is no socket answers ECONNREFUSED, as one that nobody serves does.
  if (!status.isSocket()) throw new FairleadError('ERR_TARGET_FAILED', `${where} is no socket`);
  return await connectTo({ path: real }, onread, limit, where).catch(rethrowSocket(where));
}

/** A socket that is not there is a port that is closed. */
function rethrowSocket(where: string): (error: unknown) => never {
  return (error) => {
    const isAbsent = (error as NodeJS.ErrnoException | undefined)?.code === 'ENOENT';
    if (isAbsent) throw new FairleadError('ECONNREFUSED', `connect ENOENT ${where}: there is no such socket`);
    throw rethrowable(error, where);
  };
}

/** Without a look-up where there is nothing to look up: who answers for the node's own name is not DNS's to say. */
async function addressesOf(
  host: string,
  node: string,
  resolve: Resolve,
  limit: AbortSignal,
  where: string,
): Promise<readonly string[]> {
  // A node that is named as an address keeps the address's meaning: rules for addresses go by it.
  if (isIP(host) !== 0) return [host];
  if (host === node) return loopback;
  return await beforeAbort(resolve(host), limit, where).catch(rethrow(where));
}

function connectTo(
  target: { readonly host: string; readonly port: number } | { readonly path: string },
  onread: OnReadOpts,
  limit: AbortSignal,
  where: string,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    if (limit.aborted) {
      reject(aborted(limit, where));
      return;
    }
    const socket = connect({
      ...target,
      onread,
      allowHalfOpen: true,
      noDelay: true,
      autoSelectFamily: false,
    });
    const done = () => {
      limit.removeEventListener('abort', onAbort);
      socket.removeListener('error', onError);
    };
    const onAbort = () => {
      done();
      socket.on('error', () => {});
      socket.destroy();
      reject(aborted(limit, where));
    };
    const onError = (error: Error) => {
      done();
      reject(error);
    };
    limit.addEventListener('abort', onAbort);
    socket.once('error', onError);
    socket.once('connect', () => {
      done();
      resolve(socket);
    });
  });
}

function beforeAbort<T>(work: Promise<T>, limit: AbortSignal, where: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const onAbort = () => reject(aborted(limit, where));
    limit.addEventListener('abort', onAbort);
    work.then(resolve, reject).finally(() => limit.removeEventListener('abort', onAbort));
  });
}

function aborted(limit: AbortSignal, where: string): FairleadError {
  return limit.reason instanceof DOMException && limit.reason.name === 'TimeoutError'
    ? new FairleadError('ETIMEDOUT', `connect ETIMEDOUT ${where}: no answer within the dial limit`)
    : new FairleadError('ERR_ABORTED', `the dial to ${where} was given up`);
}

function rethrow(where: string): (error: unknown) => never {
  return (error) => {
    throw rethrowable(error, where);
  };
}

/** Node's error as the dialer is to see it: Node's code, where the protocol has it. */
function rethrowable(error: unknown, where: string): FairleadError {
  if (error instanceof FairleadError) return error;
  const code = (error as NodeJS.ErrnoException | undefined)?.code ?? '';
  if (code === 'ENOTFOUND' || code.startsWith('EAI_') || code === 'ENODATA') return noAddress(where);
  const wire: WireCode = code in wireCodes ? (code as WireCode) : 'ERR_TARGET_FAILED';
  return new FairleadError(wire, `connect ${code === '' ? 'failed' : code} ${where}`, { cause: error });
}

function noAddress(where: string): FairleadError {
  return new FairleadError('ENOTFOUND', `getaddrinfo ENOTFOUND ${where}: the agent cannot resolve it`);
}

function notGranted(where: string): FairleadError {
  return new FairleadError('ERR_GRANT_DENIED', `the token does not grant ${where}`);
}

function notAllowed(where: string): FairleadError {
  return new FairleadError('ERR_TARGET_DENIED', `the agent's allow list does not name ${where}`);
}
