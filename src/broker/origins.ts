// Pages of which sites may open links and ask for nodes: none, where nobody said. A browser names the site in the Origin
// header; what else could send that header has no need of it.

import * as z from 'zod';

/** As browsers write it: scheme, host, and the port where it is not the scheme's own. */
const originSchema = z
  .string()
  .refine(isOrigin, 'is no origin: it looks like https://dashboard.example.com, without a path');

export const originsSchema = z.array(originSchema).max(64);

export function isOrigin(text: string): boolean {
  return URL.canParse(text) && new URL(text).origin === text;
}
