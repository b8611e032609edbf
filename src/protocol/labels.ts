// What the owner of a node says of it in `key=value` pairs: for people who look for it, and for nothing else.

import * as z from 'zod/mini';

const maxLabels = 16;

/** As Kubernetes writes them: letters, digits, ".", "_", "-" and "/", at most 63. */
const key = z.string().check(z.regex(/^[A-Za-z0-9]([A-Za-z0-9._/-]{0,61}[A-Za-z0-9])?$/));

/** Any text of one line, at most 63 characters: no control characters, nor marks that turn the direction of text. */
const value = z.string().check(z.regex(/^[^\p{Cc}\p{Cf}\p{Zl}\p{Zp}\p{Cs}]{0,63}$/u));

export const labelsSchema = z
  .record(key, value)
  .check(z.refine((labels) => Object.keys(labels).length <= maxLabels, `at most ${maxLabels} labels`));
