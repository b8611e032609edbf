// README, docs and deploy: what a reader pastes works.

import { expect, test } from 'vitest';
import { allReasons } from './reasons.ts';
import { pagesOf, testPages } from './suite.ts';

testPages(pagesOf(/^(README|docs\/|deploy\/)/));

test('most commands are run, and each reason not to is used', () => {
  const treatments = pagesOf(/./).flatMap(({ page }) => page.blocks.map(({ treatment }) => treatment));
  const checked = treatments.flatMap((it) => (it.kind === 'checked' ? [it.reason] : []));
  expect(new Set(checked)).toEqual(new Set(allReasons));
  expect(checked.length).toBeLessThan(treatments.length / 5);
});
