// A config file, checked: each value is taken as its flag takes it, and what is wrong is said with line and column.
// Must never show a value that may be a secret, nor take one: secrets are in files of their own.

import { dirname, resolve } from 'node:path';
import { CommanderError } from 'commander';
import { closest, distance } from 'fastest-levenshtein';
import {
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  type ParsedNode,
  parseDocument,
  type Scalar,
} from 'yaml';
import { printable } from '../../files/printable.ts';
import { FairleadError } from '../../protocol/errors.ts';
import type { ConfigKey } from './config-keys.ts';

/** A file that is longer is none. */
const maxCharacters = 1_048_576;

interface ConfigValue {
  readonly key: ConfigKey;
  /** As the flag's own parser has made it. */
  readonly value: unknown;
  /** To see whether it has changed. */
  readonly text: string;
}

export interface ConfigFile {
  readonly values: ReadonlyMap<string, ConfigValue>;
  /** `FILE:LINE:COLUMN: what is wrong`, in the order of the file. */
  readonly problems: readonly string[];
}

export function readConfig(text: string, file: string, keys: ReadonlyMap<string, ConfigKey>): ConfigFile {
  const reader = new Reader(file, keys);
  reader.read(text);
  return reader;
}

class Reader implements ConfigFile {
  readonly values = new Map<string, ConfigValue>();
  readonly problems: string[] = [];
  private readonly file: string;
  private readonly keys: ReadonlyMap<string, ConfigKey>;
  private readonly lines = new LineCounter();

  constructor(file: string, keys: ReadonlyMap<string, ConfigKey>) {
    this.file = file;
    this.keys = keys;
  }

  read(text: string): void {
    if (text.length > maxCharacters) {
      this.wrong(0, `it is longer than ${maxCharacters} characters`);
      return;
    }
    const document = parseDocument(text, { lineCounter: this.lines, prettyErrors: false });
    for (const { pos, message } of document.errors) this.wrong(pos[0], oneLine(message));
    if (document.errors.length > 0) return;
    const { contents } = document;
    if (contents === null || (isScalar(contents) && contents.value === null)) return;
    if (!isMap(contents)) {
      this.wrong(at(contents), 'this is not a list of "KEY: VALUE", one a line');
      return;
    }
    for (const { key, value } of contents.items) this.entry(key as ParsedNode, value as ParsedNode | null);
  }

  private entry(name: ParsedNode, node: ParsedNode | null): void {
    const text = isScalar(name) ? String(name.value) : '';
    const key = this.keys.get(text);
    if (key === undefined) {
      this.wrong(at(name), this.unknown(text));
      return;
    }
    if (node === null || (isScalar(node) && node.value === null)) {
      this.wrong(at(node ?? name), `"${text}" has no value: ${allowed(key)}`);
      return;
    }
    const value = key.kind === 'switch' ? this.boolean(key, node) : this.parsed(key, node);
    if (value !== undefined) this.values.set(text, { key, value, text: JSON.stringify(node.toJSON()) });
  }

  private boolean(key: ConfigKey, node: Node): boolean | undefined {
    if (isScalar(node) && typeof node.value === 'boolean') return node.value;
    this.wrong(at(node), `"${key.name}" is ${found(node)}: ${allowed(key)}`);
    return undefined;
  }

  private parsed(key: ConfigKey, node: ParsedNode): unknown {
    const scalars = this.scalars(key, node);
    let value: unknown;
    for (const { text, offset } of scalars ?? []) {
      const secret = secretIn(text);
      if (secret !== undefined) {
        this.wrong(offset, `"${key.name}" holds ${secret}`);
        return undefined;
      }
      try {
        value = take(key, this.placed(key, text), value);
      } catch (error) {
        if (!(error instanceof CommanderError || error instanceof FairleadError)) throw error;
        const why = oneLine(error.message);
        this.wrong(offset, `"${key.name}" is "${printable(text, 100)}": ${why}`);
        return undefined;
      }
    }
    return value;
  }

  /** The texts that the flag would have been given, one after the other. */
  private scalars(key: ConfigKey, node: ParsedNode): { text: string; offset: number }[] | undefined {
    if (key.kind === 'pairs' && isMap(node)) {
      return node.items.map((item) => ({ text: `${item.key}=${item.value}`, offset: at(item.key as Node) }));
    }
    const isList = key.kind === 'list' || key.kind === 'pairs';
    const nodes = isList && isSeq(node) ? (node.items as Node[]) : [node as Node];
    const bad = nodes.find((item) => !isText(item));
    if (bad === undefined && nodes.length > 0)
      return nodes.map((item) => ({ text: String((item as Scalar).value), offset: at(item) }));
    this.wrong(at(bad ?? node), `"${key.name}" is ${found(bad ?? node)}: ${allowed(key)}`);
    return undefined;
  }

  private placed(key: ConfigKey, text: string): string {
    return key.isPath ? resolve(dirname(this.file), text) : text;
  }

  private unknown(name: string): string {
    const shown = printable(name, 60);
    if (/^(token|password|secret|proxy-auth|api-?key)$/i.test(name))
      return `"${shown}" is a secret, which does not belong here: put it into a file of mode 600, and name that with "token-file" or the like`;
    const names = [...this.keys.keys()];
    const kebab = name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`).replace(/^-+|_/g, '-');
    const near = closest(kebab.replace(/^-+/, ''), names);
    const meant = distance(kebab, near) <= Math.max(2, near.length / 3) ? `: did you mean "${near}"?` : '';
    return `there is no key "${shown}"${meant === '' ? `; there are ${names.join(', ')}` : meant}`;
  }

  private wrong(offset: number, why: string): void {
    const { line, col } = this.lines.linePos(offset);
    this.problems.push(`${this.file}:${Math.max(line, 1)}:${Math.max(col, 1)}: ${why}`);
  }
}

function take({ option, kind }: ConfigKey, text: string, before: unknown): unknown {
  if (option.parseArg !== undefined) {
    const value: unknown = option.parseArg(text, before);
    // A variadic flag's parser is given one value after the other, and makes the list itself.
    return value;
  }
  return kind === 'list' ? [...((before as string[] | undefined) ?? []), text] : text;
}

function isText(node: Node): node is Scalar {
  return isScalar(node) && ['string', 'number', 'bigint'].includes(typeof node.value);
}

function at(node: Node): number {
  return node.range?.[0] ?? 0;
}

function found(node: Node): string {
  if (isMap(node)) return 'a mapping';
  if (isSeq(node)) return node.items.length === 0 ? 'an empty list' : 'a list';
  if (!isScalar(node)) return 'an alias';
  return node.value === null
    ? 'empty'
    : `${typeof node.value === 'boolean' ? node.value : 'a text or number'}`;
}

function allowed({ kind, option }: ConfigKey): string {
  if (kind === 'switch') return 'write true or false';
  const one = option.argChoices?.join(', ') ?? option.flags.replace(/^[^<]*<|\.*>.*$/g, '').toUpperCase();
  if (kind === 'pairs') return `write a mapping, or a list of ${one}`;
  return kind === 'list' ? `write ${one}, or a list of such` : `write one ${one}`;
}

/** What a file that others may read must not hold. */
function secretIn(text: string): string | undefined {
  if (/eyJ[\w-]{8,}\.[\w-]+\.[\w-]*/.test(text))
    return 'a token, which does not belong here: put it into a file of mode 600 and name that with "token-file"';
  if (/^[a-z][a-z0-9+.-]*:\/\/[^/@\s]*:[^/@\s]*@/i.test(text))
    return 'a URL with a password, which does not belong here: put it into a file of mode 600, and name that (proxy-auth-file, nats-password-file)';
  if (/-----BEGIN [A-Z ]*PRIVATE KEY/.test(text)) return 'a private key: name the file that holds it';
  return undefined;
}

function oneLine(text: string): string {
  return printable(text.replace(/^error: /, '').replace(/\s*\n\s*/g, ' '), 300);
}
