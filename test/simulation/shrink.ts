// Makes a schedule that fails as short as it gets: Zeller and Hildebrandt's delta debugging ("Simplifying and
// Isolating Failure-Inducing Input", 2002), down to where no single element can be left out.

/** Answers the elements that are needed for `fails`, which must hold for all of `items`. */
export function shrink<T>(items: readonly T[], fails: (items: readonly T[]) => boolean): readonly T[] {
  let kept = items;
  for (let parts = 2; kept.length > 0; ) {
    const length = Math.ceil(kept.length / parts);
    let next: readonly T[] | undefined;
    for (let at = 0; at < kept.length; at += length) {
      const rest = [...kept.slice(0, at), ...kept.slice(at + length)];
      if (!fails(rest)) continue;
      next = rest;
      break;
    }
    if (next !== undefined) {
      kept = next;
      parts = Math.max(2, parts - 1);
    } else if (length === 1) {
      return kept;
    } else {
      parts = Math.min(kept.length, parts * 2);
    }
  }
  return kept;
}
