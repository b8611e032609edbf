// Who is not let in although the token is good: a list of tokens, principals and agents' nodes. What it names is
// refused at once and closed where it is open; nothing in the list lets anyone in.

import * as z from 'zod';
import { FairleadError } from '../protocol/errors.ts';

/** What there is to know of a caller, or of a link that is open. */
export interface Denied {
  readonly kind: 'agent' | 'dial';
  readonly principal: string;
  readonly tokenId?: string | undefined;
  readonly serial?: string | undefined;
  /** The node that an agent serves. */
  readonly node?: string | undefined;
}

export interface DenyList {
  readonly jti: ReadonlySet<string>;
  readonly sub: ReadonlySet<string>;
  readonly node: ReadonlySet<string>;
}

const maxEntries = 100_000;

const names = z.array(z.string().min(1).max(512)).max(maxEntries).default([]);
const listSchema = z.strictObject({ jti: names, sub: names, node: names });

/**
 * JSON `{"jti":[…],"sub":[…],"node":[…]}`, or lines `jti ID`, `sub PRINCIPAL`, `node NODE`; `#` begins a comment.
 *
 * @throws FairleadError ERR_CONFIG that names the line or field: half a deny list is none
 */
export function parseDenyList(text: string): DenyList {
  const lists = text.trimStart().startsWith('{') ? parseJson(text) : parseLines(text);
  return { jti: new Set(lists.jti), sub: new Set(lists.sub), node: new Set(lists.node) };
}

function parseJson(text: string): z.infer<typeof listSchema> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    throw new FairleadError('ERR_CONFIG', 'the deny list begins as JSON and is none');
  }
  const parsed = listSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const issue = parsed.error.issues[0];
  throw new FairleadError('ERR_CONFIG', `the deny list, ${issue?.path.join('.')}: ${issue?.message}`);
}

function parseLines(text: string): z.infer<typeof listSchema> {
  const lists = { jti: [] as string[], sub: [] as string[], node: [] as string[] };
  let entries = 0;
  for (const [index, raw] of text.split('\n').entries()) {
    const line = raw.trim();
    if (line === '' || line.startsWith('#')) continue;
    const [, field, value = ''] = /^(jti|sub|node)\s+(\S.{0,511})$/u.exec(line) ?? [];
    if (field === undefined || ++entries > maxEntries)
      throw new FairleadError(
        'ERR_CONFIG',
        `the deny list, line ${index + 1}: write "jti ID", "sub PRINCIPAL" or "node NODE", at most ${maxEntries}`,
      );
    lists[field as keyof typeof lists].push(value);
  }
  return lists;
}

/** The deny list of the moment, and who wants to know of the next. */
export class Revocations {
  #list: DenyList | undefined;
  readonly #listeners = new Set<() => void>();

  constructor(list?: DenyList) {
    this.#list = list;
  }

  includes({ kind, principal, tokenId, serial, node }: Denied): boolean {
    const list = this.#list;
    if (list === undefined) return false;
    if (tokenId !== undefined && list.jti.has(tokenId)) return true;
    if (serial !== undefined && list.jti.has(serial)) return true;
    if (list.sub.has(principal)) return true;
    // A dialer is not guilty of the node that it dials.
    return kind === 'agent' && node !== undefined && list.node.has(node);
  }

  replace(list: DenyList): void {
    this.#list = list;
    for (const listener of this.#listeners) listener();
  }

  /** Answers how to stop. */
  onReplaced(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}
