// `npm run audit`: asks the registry for known faults of what is shipped, and fails on one that is high or critical.
// Where the registry does not answer, it says that nothing was checked, and does not fail: that is no finding.

import { spawnSync } from 'node:child_process';
import * as z from 'zod';

const foundSchema = z.object({
  metadata: z.object({ vulnerabilities: z.object({ high: z.number(), critical: z.number() }) }),
});
const failedSchema = z.object({ message: z.string() });

/** Longest that the registry may take, in ms. */
const timeoutMs = 60_000;

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

const { stdout, stderr } = spawnSync('npm', ['audit', '--omit=dev', '--json', ...process.argv.slice(2)], {
  encoding: 'utf8',
  timeout: timeoutMs,
  maxBuffer: 64 * 1024 * 1024,
});
const answer = parseJson(stdout);
const found = foundSchema.safeParse(answer);
if (found.success) {
  const { high, critical } = found.data.metadata.vulnerabilities;
  if (high + critical > 0) {
    process.stderr.write(`${stdout}\naudit: ${critical} critical and ${high} high in what is shipped\n`);
    process.exitCode = 1;
  } else process.stdout.write('audit: nothing high or critical is known of what is shipped\n');
} else {
  const failed = failedSchema.safeParse(answer);
  const why = failed.success ? failed.data.message : (stderr.split('\n')[0] ?? 'no answer');
  process.stdout.write(`audit: NOT CHECKED, the registry does not answer: ${why}\n`);
}
