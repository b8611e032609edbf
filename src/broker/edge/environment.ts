// What the Worker is configured with: bindings and `[vars]` of wrangler.toml, and the one secret. Checked when
// the first request comes; a mistake is told in the log and as 500, never with the secret in it.

import type { DurableObjectNamespace } from '@cloudflare/workers-types';
import * as z from 'zod';
import { FairleadError } from '../../protocol/errors.ts';
import { mostSessions } from '../budget.ts';
import { nodePatternSchema } from '../grants.ts';
import { originsSchema } from '../origins.ts';
import { defaultRelayOptions } from '../relay-options.ts';

export interface Environment {
  /** One object per node: its links, and the relay among them. */
  readonly NODES: DurableObjectNamespace;
  /** Who is connected, over all nodes. */
  readonly DIRECTORY: DurableObjectNamespace;
  /** Signs tokens: `wrangler secret put AUTH_SECRET`. At least 32 bytes. */
  readonly AUTH_SECRET: string;
  /** Variables, as {@link edgeSettings} reads them. */
  readonly [name: string]: unknown;
}

/** Variables are strings in wrangler.toml; empty ones count as absent. */
const number = (least: number, most: number, standard: number) =>
  z.preprocess(
    (value) => (value === '' || value === undefined ? standard : Number(value)),
    z.int().min(least).max(most),
  );

/** Regions that the platform takes as a hint of where an object should be. */
const hintSchema = z.enum(['wnam', 'enam', 'sam', 'weur', 'eeur', 'apac', 'oc', 'afr', 'me']);

const placementSchema = z
  .string()
  .default('')
  .transform((text) => text.split(',').filter((rule) => rule.trim() !== ''))
  .pipe(
    z.array(
      z
        .string()
        .transform((rule) => rule.split('=').map((part) => part.trim()))
        .pipe(z.tuple([nodePatternSchema, hintSchema])),
    ),
  );

/** Commas between them. */
const originList = z
  .string()
  .default('')
  .transform((text) =>
    text
      .split(',')
      .map((origin) => origin.trim())
      .filter((origin) => origin !== ''),
  )
  .pipe(originsSchema);

const optional = z
  .string()
  .optional()
  .transform((text) => (text === '' ? undefined : text));

const settingsSchema = z.object({
  /** Claims that every token must have. Default: any. */
  ISSUER: optional,
  AUDIENCE: optional,
  /** Largest message, in bytes. Default 266 240. */
  MAX_MESSAGE_BYTES: number(4096, 1_048_576, defaultRelayOptions.maxMessageBytes),
  /** Most that one session may have in flight in each direction, in bytes. Default 4 MiB. */
  IN_FLIGHT_BYTES: number(65_536, 33_554_432, 4 * 1024 * 1024),
  /** Most that all sessions of a node together may have in flight, in bytes; an object has 128 MiB. Default 32 MiB. */
  TOTAL_IN_FLIGHT_BYTES: number(1024 * 1024, 67_108_864, 32 * 1024 * 1024),
  /** Objects that share the directory, by hash of the node's name. Changing it takes one refresh to settle. Default 1. */
  DIRECTORY_SHARDS: number(1, 64, 1),
  /** How often a node's object tells the directory that it still stands, in seconds. Default 600. */
  DIRECTORY_REFRESH_SECONDS: number(10, 86_400, 600),
  /** How often an object over which something goes tells what it has counted, in seconds; 0: only with other news. Default 0. */
  COUNT_SECONDS: number(0, 3600, 0),
  /** Where nodes' objects should be: `PATTERN=REGION` pairs, commas between, the first that fits. Default: the platform's choice. */
  LOCATION_HINTS: placementSchema,
  /** Sites whose pages may dial and ask for nodes: origins, commas between. Default: none. */
  ALLOW_ORIGINS: originList,
});

export interface EdgeSettings {
  readonly issuer: string | undefined;
  readonly audience: string | undefined;
  readonly maxMessageBytes: number;
  readonly inFlightBytes: number;
  readonly totalInFlightBytes: number;
  /** Dial links that one node's object takes. */
  readonly maxSessionsPerNode: number;
  readonly allowOrigins: readonly string[];
  readonly directoryShards: number;
  readonly directoryRefreshMs: number;
  /** 0: counts are told with other news only. */
  readonly countMs: number;
  readonly locationHints: readonly (readonly [pattern: string, region: z.infer<typeof hintSchema>])[];
}

/** @throws FairleadError ERR_CONFIG that names the variable */
export function edgeSettings(environment: Environment): EdgeSettings {
  const parsed = settingsSchema.safeParse(environment);
  if (!parsed.success) {
    const issue = parsed.error.issues[0];
    throw new FairleadError('ERR_CONFIG', `variable ${issue?.path.join('.')}: ${issue?.message}`);
  }
  const { data } = parsed;
  return {
    issuer: data.ISSUER,
    audience: data.AUDIENCE,
    maxMessageBytes: data.MAX_MESSAGE_BYTES,
    inFlightBytes: data.IN_FLIGHT_BYTES,
    totalInFlightBytes: data.TOTAL_IN_FLIGHT_BYTES,
    maxSessionsPerNode: mostSessions(data.TOTAL_IN_FLIGHT_BYTES),
    directoryShards: data.DIRECTORY_SHARDS,
    directoryRefreshMs: data.DIRECTORY_REFRESH_SECONDS * 1000,
    countMs: data.COUNT_SECONDS * 1000,
    locationHints: data.LOCATION_HINTS,
    allowOrigins: data.ALLOW_ORIGINS,
  };
}
