// The node owner's rules, each for everybody or for some principals: `HOST:PORT` or `HOST:PORT;sub=PATTERN`. A rule
// for others is as if it were not there.

import { FairleadError } from '../protocol/errors.ts';
import { matchesPrincipal } from '../protocol/pattern.ts';
import { AllowList } from './allow.ts';

interface OwnerRule {
  /** As {@link AllowList} takes it. */
  readonly target: string;
  /** Patterns, one of which must fit the principal; none: everybody. */
  readonly principals: readonly string[];
}

export class OwnerRules {
  private readonly rules: readonly OwnerRule[];
  private readonly everybody: AllowList;

  /** @throws FairleadError ERR_CONFIG naming the text and what is wrong with it */
  constructor(texts: readonly string[]) {
    this.rules = texts.map(parseRule);
    // All of them, so that a mistake is found now and not when its principal comes.
    new AllowList(this.rules.map(({ target }) => target));
    this.everybody = this.listFor(({ principals }) => principals.length === 0);
  }

  forPrincipal(principal: string): AllowList {
    if (this.rules.every(({ principals }) => principals.length === 0)) return this.everybody;
    return this.listFor(
      ({ principals }) =>
        principals.length === 0 || principals.some((pattern) => matchesPrincipal(pattern, principal)),
    );
  }

  private listFor(isSo: (rule: OwnerRule) => boolean): AllowList {
    return new AllowList(this.rules.filter(isSo).map(({ target }) => target));
  }
}

function parseRule(text: string): OwnerRule {
  const [target = '', ...conditions] = text.split(';');
  const principals = conditions.map((condition) => {
    const [, pattern] = /^sub=(\S{1,512})$/.exec(condition.trim()) ?? [];
    if (pattern === undefined)
      throw new FairleadError(
        'ERR_CONFIG',
        `"${text.slice(0, 100)}" is no rule for a target: after ";" it says for whom, such as "sub=ci-*"`,
      );
    return pattern;
  });
  return { target, principals };
}
