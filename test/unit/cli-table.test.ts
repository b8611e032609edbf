// What tables look like on a terminal, whoever has chosen what is in them.

import stringWidth from 'string-width';
import { describe, expect, test } from 'vitest';
import { formatAge, formatSpan } from '../../src/cli/age.ts';
import { clipped, formatTable } from '../../src/cli/table.ts';

test('columns stand under each other, whatever the width of a character', () => {
  const table = formatTable(
    ['NODE', 'STATE'],
    [
      ['edge-1', 'ready'],
      ['東京-1', 'ready'],
      ['e\u0301toile', 'draining'],
      ['👩‍💻', 'ready'],
    ],
  );
  const lines = table.trimEnd().split('\n');
  const columns = lines.map((line) => stringWidth(line.slice(0, line.search(/STATE|ready|draining/))));
  expect(new Set(columns).size).toBe(1);
  expect(lines.every((line) => line === line.trimEnd())).toBe(true);
});

test('a cell cannot end its line, move the cursor or turn the reading order round', () => {
  const table = formatTable(['NODE'], [['a\nb'], ['\u001b[2Jc'], ['\u202ed']]);
  expect(table).toBe('NODE\na\\u000ab\n\\u001b[2Jc\n\\u202ed\n');
});

test('a line is cut where the terminal ends, never through a character', () => {
  expect(clipped('edge-1', 6)).toBe('edge-1');
  expect(clipped('edge-12', 6)).toBe('edge-…');
  expect(clipped('東京東京', 6)).toBe('東京…');
  expect(clipped('東京', 1)).toBe('…');
  expect(clipped('東京', 0)).toBe('');
});

describe('ages are as exact as they are young', () => {
  const hour = 3600;
  const day = 24 * hour;
  test.each([
    [0, '0s'],
    [119, '119s'],
    [150, '2m30s'],
    [599, '9m59s'],
    [600, '10m'],
    [3 * hour + 900, '3h15m'],
    [30 * hour, '30h'],
    [3 * day + 4 * hour, '3d4h'],
    [3 * day, '3d'],
    [100 * day, '100d'],
    [800 * day, '2y70d'],
    [9 * 365 * day, '9y'],
  ])('%d seconds are %s', (seconds, text) => {
    expect(formatSpan(seconds)).toBe(text);
  });

  test('of a time to come or of none', () => {
    expect(formatAge('2026-11-25T00:00:01Z', Date.parse('2026-11-25T00:00:00Z'))).toBe('0s');
    expect(formatAge('yesterday', 0)).toBe('?');
  });
});
