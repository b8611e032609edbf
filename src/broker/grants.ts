// Node names, and the patterns with which a dial token names them. Matching takes time linear in the lengths:
// patterns come out of tokens, names out of URLs.

import * as z from 'zod';

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

/**
 * True where `pattern` names `node`. `*` stands for any run of characters, even none, inside one segment
 * between dots, as in a TLS certificate; the pattern `*` alone names every node.
 */
export function matchesNode(pattern: string, node: string): boolean {
  if (pattern === '*') return true;
  const wanted = pattern.split('.');
  const segments = node.split('.');
  return (
    wanted.length === segments.length &&
    wanted.every((part, i) => matchesSegment(part, segments[i] as string))
  );
}

export function grantsNode(patterns: readonly string[], node: string): boolean {
  return patterns.some((pattern) => matchesNode(pattern, node));
}

/** Pieces between stars, each found as early as possible: that never needs to go back. */
function matchesSegment(pattern: string, segment: string): boolean {
  const pieces = pattern.split('*');
  const first = pieces[0] as string;
  if (pieces.length === 1) return segment === first;
  const last = pieces[pieces.length - 1] as string;
  if (segment.length < first.length + last.length) return false;
  if (!segment.startsWith(first) || !segment.endsWith(last)) return false;
  const end = segment.length - last.length;
  let at = first.length;
  for (const piece of pieces.slice(1, -1)) {
    const found = segment.indexOf(piece, at);
    if (found === -1 || found + piece.length > end) return false;
    at = found + piece.length;
  }
  return true;
}
