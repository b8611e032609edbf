// The node owner's rules, each for everybody or for some: `HOST:PORT`, `HOST:PORT;sub=PATTERN` for principals that the
// broker names, `HOST:PORT;key=PATTERN` for dialers whose own key the agent has verified. A rule for others is as if
// it were not there.

import { FairleadError } from '../protocol/errors.ts';
import { matchesPrincipal } from '../protocol/pattern.ts';
import { AllowList } from './allow.ts';
import { isSocketHost, refuseForeignSocket } from './socket-rule.ts';

interface OwnerRule {
  /** As {@link AllowList} takes it. */
  readonly target: string;
  /** Patterns, one of which must fit the principal; none: any. */
  readonly principals: readonly string[];
  /** Patterns, one of which must fit the name of the dialer's key; none: any, and dialers without a key. */
  readonly keys: readonly string[];
}

export class OwnerRules {
  private rules: readonly OwnerRule[] = [];
  private everybody = new AllowList([]);
  /** Another one whenever the rules are others. */
  version = 0;
  private readonly platform: NodeJS.Platform;

  /** @throws FairleadError ERR_CONFIG naming the text and what is wrong with it */
  constructor(texts: readonly string[], platform: NodeJS.Platform = process.platform) {
    this.platform = platform;
    this.replace(texts);
  }

  /**
   * From now on these hold, for streams that are opened from now on.
   *
   * @throws as the constructor, and then nothing has changed
   */
  replace(texts: readonly string[]): void {
    const rules = texts.map(parseRule);
    // All of them, so that a mistake is found now and not when its principal comes.
    new AllowList(rules.map(({ target }) => target));
    for (const { target } of rules.filter(({ target }) => isSocketHost(target)))
      refuseForeignSocket(target, this.platform);
    this.rules = rules;
    this.everybody = this.listFor(isForEverybody);
    this.version += 1;
  }

  /** `key`: the name of the dialer's key, where it came by an encrypted stream. */
  forDialer(principal: string, key?: string): AllowList {
    if (this.rules.every(isForEverybody)) return this.everybody;
    return this.listFor(
      ({ principals, keys }) =>
        (principals.length === 0 || fitsOneOf(principals, principal)) &&
        (keys.length === 0 || (key !== undefined && fitsOneOf(keys, key))),
    );
  }

  private listFor(isSo: (rule: OwnerRule) => boolean): AllowList {
    return new AllowList(this.rules.filter(isSo).map(({ target }) => target));
  }
}

function parseRule(text: string): OwnerRule {
  const [target = '', ...conditions] = text.split(';');
  const patterns: { readonly sub: string[]; readonly key: string[] } = { sub: [], key: [] };
  for (const condition of conditions) {
    const [, kind, pattern] = /^(sub|key)=(\S{1,512})$/.exec(condition.trim()) ?? [];
    if (pattern === undefined)
      throw new FairleadError(
        'ERR_CONFIG',
        `"${text.slice(0, 100)}" is no rule for a target: after ";" it says for whom, such as "sub=ci-*" or "key=alice"`,
      );
    patterns[kind === 'key' ? 'key' : 'sub'].push(pattern);
  }
  return { target, principals: patterns.sub, keys: patterns.key };
}

function isForEverybody({ principals, keys }: OwnerRule): boolean {
  return principals.length === 0 && keys.length === 0;
}

function fitsOneOf(patterns: readonly string[], name: string): boolean {
  return patterns.some((pattern) => matchesPrincipal(pattern, name));
}
