// A page of documentation as the commands in it: blocks fenced as `sh`, and indented ones. How a block is tested is said
// in a comment before it, which readers do not see; docs/contributing.md has the list. Runs nothing.

import type { Code, Nodes } from 'mdast';
import { fromMarkdown } from 'mdast-util-from-markdown';
import { isReason, type Reason } from './reasons.ts';

export interface Block {
  /** Where it begins, from 1. */
  readonly line: number;
  /** The line of the heading that it is under: what is started in a section ends with it. */
  readonly section: number;
  readonly commands: string;
  /** What it prints, `…` for any part of a line; undefined: nobody said. */
  readonly expected: string | undefined;
  /** How its last command ends. */
  readonly exits: number;
  /** The node on which it is run, where that is not the reader's own machine. */
  readonly at: string | undefined;
  readonly treatment: Treatment;
}

type Treatment =
  | { readonly kind: 'run' }
  /** By a test that reads the page, or on another page. */
  | { readonly kind: 'run-by'; readonly by: string }
  /** Not on a machine like this one: it is looked at, as the reason has it. */
  | { readonly kind: 'checked'; readonly reason: Reason };

export interface Page {
  readonly blocks: readonly Block[];
  /** What stands behind the page before its first command. */
  readonly behind: readonly string[];
  /** Words for what only the reader knows, and what they are here. */
  readonly here: ReadonlyMap<string, string>;
  /** Blocks that the reader has saved, by the name of the file. */
  readonly files: ReadonlyMap<string, string>;
}

/** What is neither commands nor what they print is fenced with its language. */
const languages = new Set(
  'json yaml ts js html ini toml http ssh-config promql dockerfile diff css'.split(' '),
);

/** Words after `sh` that belong to a test of their own. */
const runBy = 'test/interop/kubernetes-walk.test.ts';

/** @throws Error that names the line of what nobody could treat. */
export function readPage(markdown: string): Page {
  const reader = new Reader(markdown);
  reader.read(fromMarkdown(markdown));
  // What it leaves out must be something.
  if (reader.behind.length === 0 && reader.blocks.some(({ commands }) => commands.includes(' … ')))
    reader.behind.push('tokens', 'broker');
  return reader;
}

class Reader implements Page {
  readonly blocks: Block[] = [];
  readonly behind: string[] = [];
  readonly here = new Map<string, string>();
  readonly files = new Map<string, string>();
  private readonly markdown: string;
  private section = 0;
  private indentedIsText = false;
  /** Where the next block is saved. */
  private file: string | undefined;
  /** What the comments before the next block say. */
  private said: Partial<Block> = {};
  /** Whether the next block of text is what the last block of commands prints. */
  private mayPrint = false;

  constructor(markdown: string) {
    this.markdown = markdown;
  }

  read(node: Nodes): void {
    const line = node.position?.start.line ?? 0;
    if (node.type === 'html')
      for (const [, key = '', value = ''] of node.value.matchAll(/<!-- ([a-z ]+): (.*?) -->/gs))
        this.comment(key, value, line);
    else if (node.type === 'code') this.code(node, line);
    else {
      if (node.type === 'heading' && node.depth <= 2) this.section = line;
      if (node.type === 'heading' || node.type === 'paragraph') this.mayPrint = false;
      if ('children' in node) for (const child of node.children) this.read(child);
    }
    if (node.type === 'root' && (Object.keys(this.said).length > 0 || this.file !== undefined))
      throw new Error('a comment about a block that does not come');
  }

  private comment(key: string, value: string, line: number): void {
    switch (key) {
      case 'behind':
        this.behind.push(...value.split(/,\s*/));
        return;
      case 'here': {
        const [word = '', ...meaning] = value.split(' is ');
        this.here.set(word, meaning.join(' is '));
        return;
      }
      case 'indented':
        this.indentedIsText = value === 'text';
        return;
      case 'saved as':
        this.file = value;
        return;
      case 'run by':
        this.said = { ...this.said, treatment: { kind: 'run-by', by: value } };
        return;
      case 'not run':
        if (!isReason(value))
          throw new Error(`line ${line}: "${value}" is no reason for not running commands`);
        this.said = { ...this.said, treatment: { kind: 'checked', reason: value } };
        return;
      case 'exits':
        this.said = { ...this.said, exits: Number(value) };
        return;
      case 'at':
        this.said = { ...this.said, at: value };
    }
  }

  private code({ lang, meta, value, position }: Code, line: number): void {
    const isFenced = /^\s*(```|~~~)/.test(this.markdown.slice(position?.start.offset));
    if (!isFenced && this.indentedIsText) return;
    const { file } = this;
    this.file = undefined;
    if (file !== undefined) {
      this.files.set(file, value);
      return;
    }
    if (isFenced && lang === 'text') {
      const last = this.mayPrint ? this.blocks.pop() : undefined;
      if (last !== undefined) this.blocks.push({ ...last, expected: value });
    } else if (isFenced && lang !== 'sh') {
      if (!languages.has(lang ?? ''))
        throw new Error(
          `line ${line}: fence it as "sh" (it is run), "text" (it is not), or with its language`,
        );
    } else {
      this.blocks.push({
        ...{ line, section: this.section, expected: undefined, exits: 0, at: undefined },
        commands: value.replace(/^\w+\$ /gm, ''),
        treatment: (meta ?? '') === '' ? { kind: 'run' } : { kind: 'run-by', by: runBy },
        ...this.said,
      });
      this.said = {};
      this.mayPrint = true;
      return;
    }
    this.mayPrint = false;
  }
}
