// What client certificates grant: rules from one name in them. What no rule names is granted nothing. Knows no
// certificate: it is given the names that one has.

import * as z from 'zod';
import { capturesOf } from '../protocol/pattern.ts';
import { nodeNameSchema, nodePatternSchema } from './grants.ts';
import { targetsSchema, unauthorized } from './identity.ts';
import { routesSchema } from './identity-routes.ts';

/** The names that a rule can be about, and what stands between their segments: no star reaches across it. */
const separators = { uri: '/', dns: '.', email: '@', cn: ':' } as const;

export type NameKind = keyof typeof separators;

const nameKinds = Object.keys(separators) as NameKind[];

/** The names of one certificate, only those that are plain text. */
export type CertificateNames = Readonly<Record<NameKind | 'organization', readonly string[]>>;

/** `{1}` stands for what the first star of the name's pattern stands for, `{2}` for the second. */
const placeholder = /\{(\d)\}/g;

function templateOf(schema: z.ZodType<string>) {
  return z
    .string()
    .max(253)
    .refine((text) => schema.safeParse(text.replace(placeholder, 'x')).success, {
      error: 'a node name, with "{1}" for what the first "*" stands for',
    });
}

const pattern = z
  .string()
  .min(1)
  .max(400)
  .regex(/^[\x20-\x7e]+$/, 'printable ASCII: other names are never taken');

const nameFields = {
  /** One of the four. */
  uri: pattern.optional(),
  dns: pattern.optional(),
  email: pattern.optional(),
  cn: pattern.optional(),
  /** One of the subject's organizations besides, exactly. Default: any or none. */
  organization: pattern.optional(),
};

const ruleSchema = z
  .union(
    [
      z.strictObject({ ...nameFields, agent: templateOf(nodeNameSchema), routes: routesSchema.optional() }),
      z.strictObject({
        ...nameFields,
        dial: z.array(templateOf(nodePatternSchema)).min(1).max(256),
        targets: targetsSchema.optional(),
      }),
    ],
    'a rule is {NAME:PATTERN,"organization"?,"agent":NODE,"routes"?} or {NAME:PATTERN,"organization"?,"dial":[PATTERN],"targets"?}, NAME one of uri, dns, email, cn; "{1}" in nodes for what the first "*" stands for',
  )
  .superRefine((rule, context) => {
    const [kind, ...more] = nameKinds.filter((one) => rule[one] !== undefined);
    if (kind === undefined || more.length > 0) {
      context.addIssue(`a rule is about one name: give one of ${nameKinds.join(', ')}`);
      return;
    }
    const wanted = rule[kind] ?? '';
    const stars = wanted.split(separators[kind]).map((segment) => segment.split('*').length - 1);
    if (stars.some((count) => count > 1))
      context.addIssue(`"*" may stand once between two "${separators[kind]}"`);
    const count = stars.reduce((sum, one) => sum + one, 0);
    for (const template of templatesOf(rule))
      for (const [, index] of template.matchAll(placeholder))
        if (Number(index) < 1 || Number(index) > count)
          context.addIssue(`"{${index}}" stands for nothing: the pattern has ${count} "*"`);
  });

type Rule = z.infer<typeof ruleSchema>;

export const certificatesSchema = z.strictObject({
  /** Stands before the name in the principal. Default `cert:`. */
  prefix: z.string().max(100).default('cert:'),
  grants: z.array(ruleSchema).min(1).max(256),
});

export type CertificateConfig = z.infer<typeof certificatesSchema>;

export interface NamedGrant {
  /** The one name that the rule is about. */
  readonly name: string;
  /** As a token's claim would have it. */
  readonly grant: object;
}

/** What the first rule that fits grants. @throws FairleadError ERR_UNAUTHORIZED where none does, or not clearly */
export function grantByNames(rules: readonly Rule[], names: CertificateNames): NamedGrant {
  for (const rule of rules) {
    const { organization } = rule;
    if (organization !== undefined && !names.organization.includes(organization)) continue;
    const kind = nameKinds.find((one) => rule[one] !== undefined) as NameKind;
    const wanted = rule[kind] as string;
    const fitting = [...new Set(names[kind])].filter(
      (name) => capturesOf(wanted, name, separators[kind]) !== undefined,
    );
    const [name] = fitting;
    if (name === undefined) continue;
    // Who of them is calling could not be told.
    if (fitting.length > 1) throw unauthorized('several names of the client certificate fit one rule');
    const captures = capturesOf(wanted, name, separators[kind]) ?? [];
    const fill = (template: string) => filled(template, captures);
    if ('agent' in rule) return { name, grant: { agent: fill(rule.agent), routes: rule.routes } };
    return { name, grant: { dial: rule.dial.map(fill), targets: rule.targets } };
  }
  throw unauthorized('this broker grants nothing to the names in the client certificate');
}

/** Never a pattern: a star in a name must not become one. */
function filled(template: string, captures: readonly string[]): string {
  return template.replace(placeholder, (_, index) => {
    const part = captures[Number(index) - 1] ?? '';
    if (!nodeNameSchema.safeParse(part).success)
      throw unauthorized("the part of the client certificate's name that should name a node is no node name");
    return part;
  });
}

function templatesOf(rule: { agent: string } | { dial: string[] }): readonly string[] {
  return 'agent' in rule ? [rule.agent] : rule.dial;
}
