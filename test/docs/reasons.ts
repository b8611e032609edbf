// The closed list of reasons for which commands of the documentation are not run, and what is looked at instead. A
// reason is about the machine, never about the command.

import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const project = fileURLToPath(new URL('../..', import.meta.url));
const { scripts } = JSON.parse(readFileSync(`${project}/package.json`, 'utf8')) as {
  scripts: Record<string, string>;
};

/** Of a command's words: whether it is one that the reason is about, and whether it would start. */
type Check = (words: readonly string[]) => boolean;

const reasons = {
  /** It takes minutes, or is what runs this very test. Files that it names must be there. */
  minutes: (words) => {
    const [program = '', verb = '', name = ''] = words;
    if (program === 'npm') return Object.hasOwn(scripts, verb === 'run' ? name : verb);
    const isTest = program.startsWith('scripts/') || (program === 'npx' && verb === 'vitest');
    return (
      isTest && words.filter((word) => word.includes('/')).every((word) => existsSync(`${project}/${word}`))
    );
  },
  /** It installs from a registry, which tests do not ask. */
  registry: ([program, verb]) =>
    (program === 'npm' && ['ci', 'install'].includes(verb ?? '')) || program === 'apt-get',
  /** It asks the edge's platform for an account; a dry run is in test/conformance/edge-platform.test.ts. */
  account: ([npx, wrangler, ...rest]) =>
    npx === 'npx' && wrangler === 'wrangler' && /^(deploy|login|secret put \w+)$/.test(rest.join(' ')),
  /** It needs a container engine; the image's steps are run by test/interop/dockerfile.test.ts. */
  containers: ([docker, ...rest]) =>
    docker === 'docker' && rest.every((word) => !word.startsWith('--broker')),
  /** It is about the machine's own services, of which a test has none. */
  services: ([program, verb]) =>
    (program === 'systemctl' && /^(restart|reload|status)$/.test(verb ?? '')) ||
    (program === 'launchctl' && /^(bootstrap|bootout|kill|print)$/.test(verb ?? '')) ||
    program === 'journalctl',
} as const satisfies Record<string, Check>;

export type Reason = keyof typeof reasons;

export const allReasons = Object.keys(reasons) as Reason[];

export function isReason(text: string): text is Reason {
  return Object.hasOwn(reasons, text);
}

/** The commands of a block for which the reason is none. */
export function unreasonable(reason: Reason, commands: string): string[] {
  const lines = commands.replaceAll(/\\\n/g, ' ').split('\n');
  return lines.filter((line) => {
    const words = line
      .replace(/\s+#.*$/, '')
      .trim()
      .split(/\s+/);
    return words[0] !== '' && !words[0]?.startsWith('#') && !reasons[reason](words);
  });
}
