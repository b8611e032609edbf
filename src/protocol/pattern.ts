// Patterns with stars, for names out of tokens and rules out of configurations. Matching takes time linear in the
// lengths, whoever wrote them.

/**
 * True where `pattern` fits `text`. `*` stands for any run of characters, even none, inside one segment between
 * separators, as in a TLS certificate; the pattern `*` alone fits everything.
 */
export function matchesPattern(pattern: string, text: string, separator: string): boolean {
  if (pattern === '*') return true;
  const wanted = pattern.split(separator);
  const segments = text.split(separator);
  return (
    wanted.length === segments.length &&
    wanted.every((part, i) => matchesSegment(part, segments[i] as string))
  );
}

/** Principals are in segments between colons, as those of Kubernetes are. */
export function matchesPrincipal(pattern: string, principal: string): boolean {
  return matchesPattern(pattern, principal, ':');
}

/**
 * What each star of `pattern` stands for in `text`, in their order; undefined where the pattern does not fit. For
 * patterns with one star in a segment at most: with more there would be several answers.
 */
export function capturesOf(pattern: string, text: string, separator: string): readonly string[] | undefined {
  if (pattern === '*') return [text];
  if (!matchesPattern(pattern, text, separator)) return undefined;
  const segments = text.split(separator);
  return pattern.split(separator).flatMap((part, i) => {
    const star = part.indexOf('*');
    const segment = segments[i] as string;
    return star === -1 ? [] : [segment.slice(star, segment.length - (part.length - star - 1))];
  });
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
