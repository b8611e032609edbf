// What replicas say to each other besides what their peers send. It comes over a bus that others may write to, so
// it is checked like anything from outside.

import * as z from 'zod';
import { parseSession } from '../../protocol/envelope.ts';
import { labelsSchema } from '../../protocol/labels.ts';
import { lastErrorSchema } from '../../protocol/status.ts';
import { nodeNameSchema } from '../grants.ts';
import { principalSchema, targetsSchema } from '../identity.ts';
import { routesSchema } from '../identity-routes.ts';

const instanceSchema = z.string().regex(/^[A-Za-z0-9._-]{1,64}$/);
const replicaSchema = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);
const attemptSchema = z.int().min(0);

/** `attach`: a dialer's link, for the replica that has the agent. */
export const attachSchema = z.object({
  replica: replicaSchema,
  id: z.string().regex(/^[A-Za-z0-9_-]{1,64}$/),
  principal: principalSchema,
  targets: targetsSchema.optional(),
  session: z.string().refine((text) => parseSession(text) !== undefined),
  node: nodeNameSchema,
  instance: instanceSchema.optional(),
  attempt: attemptSchema,
  since: z.number(),
});

/** `attached`: the replica that has the agent took the link. `found`: it has one that takes sessions. */
export const agentSchema = z.object({ replica: replicaSchema, instance: instanceSchema });

/** `close`: the link is to be ended. */
export const closeSchema = z.object({ code: z.int().min(1000).max(4999), reason: z.string().max(512) });

/** `up`: an agent's link has been opened. */
export const upSchema = z.object({
  node: nodeNameSchema,
  instance: instanceSchema,
  since: z.number(),
  attempt: attemptSchema,
});

/** A replica's sign of life, or its last word. */
export const presenceSchema = z.object({ replica: replicaSchema, leaving: z.boolean() });

/** Which nodes are asked for. */
export const questionSchema = z.object({
  node: z.string().max(253).optional(),
  host: z.string().max(253).optional(),
});

/** One page of a replica's nodes. */
export const pageSchema = z.object({
  replica: replicaSchema,
  isLast: z.boolean(),
  nodes: z.array(
    z.object({
      node: nodeNameSchema,
      instances: z.array(
        z.object({
          instance: instanceSchema,
          version: z.string().nullable(),
          since: z.string(),
          draining: z.boolean(),
          labels: z._default(labelsSchema, {}),
          routes: routesSchema,
          sessions: z.number(),
          address: z.string().max(64).optional(),
          rttMs: z.number().optional(),
          receivedBytes: z.number().optional(),
          sentBytes: z.number().optional(),
          streams: z.number().optional(),
          lastError: z.optional(lastErrorSchema),
        }),
      ),
    }),
  ),
});

/** Undefined where the data is not what it should be: whoever sent it is no replica of ours. */
export function parse<Schema extends z.ZodType>(
  schema: Schema,
  data: Uint8Array,
): z.infer<Schema> | undefined {
  try {
    return schema.safeParse(JSON.parse(new TextDecoder().decode(data))).data;
  } catch {
    return undefined;
  }
}
