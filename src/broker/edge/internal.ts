// What the Worker and its objects say to each other: plain requests that no client can make, since they go over
// bindings. Their host is a name that resolves nowhere.

import type { DurableObjectNamespace, DurableObjectStub } from '@cloudflare/workers-types';
import type { NodeQuestion, NodeSummary } from '../directory.ts';
import type { Admission } from '../gate.ts';
import { matchesNode } from '../grants.ts';
import type { Growth } from './counts.ts';
import type { EdgeSettings, Environment } from './environment.ts';

const origin = 'https://fairlead.invalid';

const admissionHeader = 'fairlead-admission';
const addressHeader = 'fairlead-address';

export const paths = {
  link: '/link',
  summary: '/summary',
  report: '/report',
  list: '/list',
  counts: '/counts',
} as const;

/** The object of a node, near where the configuration says. */
export function nodeStub(environment: Environment, settings: EdgeSettings, node: string): DurableObjectStub {
  const { NODES } = environment;
  const locationHint = settings.locationHints.find(([pattern]) => matchesNode(pattern, node))?.[1];
  return NODES.get(NODES.idFromName(node), locationHint === undefined ? {} : { locationHint });
}

/** The directory's object that has the node. */
export function directoryStub(
  environment: Environment,
  settings: EdgeSettings,
  node: string,
): DurableObjectStub {
  return shard(environment.DIRECTORY, hash(node) % settings.directoryShards);
}

export function directoryStubs(environment: Environment, settings: EdgeSettings): DurableObjectStub[] {
  return Array.from({ length: settings.directoryShards }, (_, i) => shard(environment.DIRECTORY, i));
}

function shard(directory: DurableObjectNamespace, index: number): DurableObjectStub {
  return directory.get(directory.idFromName(`shard-${index}`));
}

/** FNV-1a, 32 bits: spreads names, hides nothing. */
function hash(text: string): number {
  let value = 0x811c9dc5;
  for (let i = 0; i < text.length; i++) value = Math.imul(value ^ text.charCodeAt(i), 0x01000193);
  return value >>> 0;
}

/** The request that hands an upgrade to the node's object: nothing of the client's own is passed on. */
export function linkRequest(
  admission: Admission,
  address: string | undefined,
): [url: string, init: { headers: Record<string, string> }] {
  const headers = {
    upgrade: 'websocket',
    [admissionHeader]: encodeURIComponent(JSON.stringify(admission)),
    ...(address === undefined ? {} : { [addressHeader]: address }),
  };
  return [origin + paths.link, { headers }];
}

/** Undefined where the request is not from {@link linkRequest}. */
export function admissionOf(headers: { get(name: string): string | null }): Admission | undefined {
  const text = headers.get(admissionHeader);
  return text === null ? undefined : (JSON.parse(decodeURIComponent(text)) as Admission);
}

/** Where the link comes from; undefined where the platform did not say. */
export function addressOf(headers: { get(name: string): string | null }): string | undefined {
  const address = headers.get(addressHeader) ?? '';
  return /^[0-9a-f.:]{2,45}$/i.test(address) ? address : undefined;
}

/** `summary` null: no agent of the node is connected any more. */
export interface Report {
  readonly node: string;
  readonly summary: NodeSummary | null;
  /** What the node's object has counted since it told last. */
  readonly growth?: Growth;
}

export function reportRequest(report: Report): [url: string, init: { method: string; body: string }] {
  return [origin + paths.report, { method: 'PUT', body: JSON.stringify(report) }];
}

export const countsUrl = origin + paths.counts;
export const summaryUrl = origin + paths.summary;
/** A host is in its normal form. */
export function listUrl({ host }: NodeQuestion): string {
  return `${origin}${paths.list}${host === undefined ? '' : `?host=${encodeURIComponent(host)}`}`;
}
