import { execFileSync } from 'node:child_process';
import { expect, test } from 'vitest';

test('tests and commands run on the Node of this machine, not on the one that the tools of the edge bring', () => {
  const commands = execFileSync('node', ['--print', 'process.execPath'], { encoding: 'utf8' }).trim();
  expect(process.execPath).not.toContain('node_modules');
  expect(commands).toBe(process.execPath);
});
