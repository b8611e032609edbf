// Node names, and the patterns with which a dial token names them. Must match in linear time: patterns come out of
// tokens, names out of URLs.

import * as z from 'zod';
import { matchesPattern } from '../protocol/pattern.ts';

/** A node's name: DNS-like, lower case, at most 253 characters. */
export const nodeNameSchema = z
  .string()
  .regex(
    /^[a-z0-9]([a-z0-9._-]{0,251}[a-z0-9])?$/,
    'lower-case letters, digits, ".", "_" and "-", at most 253',
  );

/** A node's name in which `*` may stand for any part. */
export const nodePatternSchema = z
  .string()
  .regex(
    /^[a-z0-9*]([a-z0-9._*-]{0,251}[a-z0-9*])?$/,
    'a node name in which "*" may stand for any part, at most 253 characters',
  );

/** True where `pattern` names `node`: a star stays inside one segment between dots. */
export function matchesNode(pattern: string, node: string): boolean {
  return matchesPattern(pattern, node, '.');
}

export function grantsNode(patterns: readonly string[], node: string): boolean {
  return patterns.some((pattern) => matchesNode(pattern, node));
}
