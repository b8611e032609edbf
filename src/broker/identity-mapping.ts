// What the tokens of an issuer grant that knows nothing of Fairlead, such as a Kubernetes cluster: rules from the
// subject, and the node that the token is bound to. What no rule names is granted nothing.

import * as z from 'zod';
import { matchesPrincipal } from '../protocol/pattern.ts';
import { nodeNameSchema, nodePatternSchema } from './grants.ts';
import { targetsSchema, unauthorized } from './identity.ts';
import { routesSchema } from './identity-routes.ts';

/** Stands for the node that the token is bound to: `kubernetes.io.node.name`, which Kubernetes puts in since 1.30. */
const boundNode = '{node}';

const subjectPattern = z.string().min(1).max(512);

const ruleSchema = z.union(
  [
    z.strictObject({
      sub: subjectPattern,
      agent: z.union([z.literal(boundNode), nodeNameSchema]),
      routes: routesSchema.optional(),
    }),
    z.strictObject({
      sub: subjectPattern,
      dial: z
        .array(z.union([z.literal(boundNode), nodePatternSchema]))
        .min(1)
        .max(256),
      targets: targetsSchema.optional(),
    }),
  ],
  'a rule is {"sub":PATTERN,"agent":NODE or "{node}","routes"?} or {"sub":PATTERN,"dial":[PATTERN or "{node}"],"targets"?}',
);

export const rulesSchema = z.array(ruleSchema).min(1).max(256);

type Rule = z.infer<typeof ruleSchema>;

const boundClaimSchema = z.object({
  'kubernetes.io': z.object({ node: z.object({ name: nodeNameSchema }) }),
});

/** Answers what the first rule that fits the subject grants. The answer throws FairleadError ERR_UNAUTHORIZED. */
export function grantByRules(rules: readonly Rule[]): (claims: Readonly<Record<string, unknown>>) => object {
  return (claims) => {
    const { sub } = claims;
    const rule = rules.find((one) => typeof sub === 'string' && matchesPrincipal(one.sub, sub));
    if (rule === undefined) throw unauthorized("this broker grants nothing to the token's subject");
    if ('agent' in rule) {
      const { agent, routes } = rule;
      return { agent: agent === boundNode ? nodeOf(claims) : agent, routes };
    }
    const dial = rule.dial.map((node) => (node === boundNode ? nodeOf(claims) : node));
    return { dial, targets: rule.targets };
  };
}

function nodeOf(claims: unknown): string {
  const bound = boundClaimSchema.safeParse(claims);
  if (!bound.success) throw unauthorized('the token is not bound to a node, as its grant needs');
  return bound.data['kubernetes.io'].node.name;
}
