// What an agent may be told, with the defaults.

import type { E2eAgentOptions } from '../e2e/options.ts';
import type { AuditLog } from '../files/audit-log.ts';
import type { BrokerAccess } from '../link/broker-access.ts';
import { FairleadError } from '../protocol/errors.ts';
import type { DialTracer } from '../tracing/dial-tracer.ts';
import { type AgentLimits, agentLimits } from './limits.ts';
import type { Meter } from './meter.ts';

/** The part of a logger that the agent needs; a pino logger is one. Every line has a stable `event` name. */
export interface AgentLog {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

export interface AgentOptions extends BrokerAccess, Partial<AgentLimits> {
  /** The node that this agent serves; its token must be for that node. */
  readonly node: string;
  /** What dialers may reach: see allow.ts and owner-rules.ts. Nothing else is reachable. */
  readonly allow: readonly string[];
  /** What this agent serves besides its node's name: host names, addresses, CIDRs, `default`. Its token must grant each. */
  readonly routes?: readonly string[];
  /** What the node's owner says of it, for people: see protocol/labels.ts. They grant nothing. */
  readonly labels?: Readonly<Record<string, string>>;
  /** Tells apart agents of one node, and this run of it from the next. Default random. */
  readonly instance?: string;
  readonly log?: AgentLog;
  /** Who did what, or was not let. Default: nowhere. */
  readonly audit?: AuditLog;
  /** Build of the agent, for people. Default `dev`. */
  readonly version?: string;
  /** Longest that a dial may take, resolution included, in ms. Default 10,000. */
  readonly dialTimeoutMs?: number;
  /** How long a silent dialer may take to come back, in ms. Default 60,000. */
  readonly resumeWindowMs?: number;
  /** Encryption from dialer to agent: this agent's key, and whose keys are taken. Default: none. */
  readonly e2e?: E2eAgentOptions | undefined;
  /** Counts what happens. Default: nobody. */
  readonly meter?: Meter;
  /** Tells a collector of dials. Default: nobody. */
  readonly tracer?: DialTracer;
  /** Gives up waiting for the first link. */
  readonly signal?: AbortSignal;
}

export const agentDefaults = {
  version: 'dev',
  dialTimeoutMs: 10_000,
  resumeWindowMs: 60_000,
} as const;

/** @throws FairleadError ERR_CONFIG that names the limit which is out of its range */
export function limitsOf(options: Partial<AgentLimits>): AgentLimits {
  const limits = {} as { -readonly [Name in keyof AgentLimits]: number };
  for (const name of Object.keys(agentLimits) as (keyof AgentLimits)[]) {
    const { least, most, standard } = agentLimits[name];
    const value = options[name] ?? standard;
    if (!Number.isInteger(value) || value < least || value > most)
      throw new FairleadError('ERR_CONFIG', `agent limit "${name}": a whole number from ${least} to ${most}`);
    limits[name] = value;
  }
  return limits;
}

export const noAudit: AuditLog = { record() {} };

export const silentLog: AgentLog = { debug() {}, info() {}, warn() {}, error() {} };
