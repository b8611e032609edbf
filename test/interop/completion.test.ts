// Completion as somebody at the keyboard has it: real shells on a real terminal, and the Tab key.

import { mkdirSync } from 'node:fs';
import { type AddressInfo, createServer } from 'node:net';
import { dirname } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startAgent } from '../../src/agent/index.ts';
import { mintToken, startBroker } from '../../src/broker/index.ts';
import { Rig } from '../rig/rig.ts';
import { Terminal } from '../rig/terminal.ts';

const secret = 'a secret of the tests, long enough for HS256';
const rig = new Rig();
let url = '';

beforeAll(async () => {
  const broker = await startBroker({ secret, port: 0, drainMs: 0 });
  rig.defer(() => broker.close());
  url = broker.url;
  const token = await mintToken({ secret, agent: 'edge-1' });
  const agent = await startAgent({ url, token, node: 'edge-1', allow: ['127.0.0.1:*'] });
  rig.defer(() => agent.close());
  // Without it fish begins to read all manual pages, in the background.
  mkdirSync(rig.path('.local/share/fish/generated_completions'), { recursive: true });
  rig.write('my dial.token', await mintToken({ secret, dial: ['edge-*'] }));
});
afterAll(() => rig[Symbol.asyncDispose]());

const shells = {
  bash: { start: 'bash --norc --noprofile -i', load: 'source <(fairlead completion bash)' },
  zsh: {
    start: 'zsh -f -i',
    load: 'autoload -U compinit; compinit -u -D; source <(fairlead completion zsh)',
  },
  fish: {
    start: 'fish --private -i',
    load: 'set -g fish_autosuggestion_enabled 0; fairlead completion fish | source',
  },
} as const;

function exactly(text: string): string {
  return text.replaceAll(/[\\.]/g, '\\$&');
}

describe.concurrent.each(Object.entries(shells))('%s', (_, { start, load }) => {
  test('completes commands, flags, choices, files and the names of nodes', async ({ expect }) => {
    const path = `${dirname(rig.fairleadPath)}:${process.env.PATH}`;
    const terminal = await Terminal.open(
      rig,
      `env PATH='${path}' FAIRLEAD_BROKER=${url} PS1='$ ' ${start}`,
      100,
      24,
    );
    const shows = (pattern: RegExp) =>
      expect.poll(() => terminal.screen(), { timeout: 15_000, interval: 50 }).toMatch(pattern);
    await terminal.press(`${load}; echo load''ed`, 'Enter');
    await shows(/^loaded$/m);

    const completes = async (typed: string, whole: string): Promise<void> => {
      await terminal.press('C-u', 'C-l');
      await terminal.type(typed);
      // Nothing that stood there before.
      await shows(new RegExp(`^\\S* ?\\S+ ${exactly(typed.trimEnd())}\\s*$`));
      await terminal.press('Tab');
      await shows(new RegExp(`^\\S* ?\\S+ fairlead ${exactly(whole)}\\s*$`));
    };
    await completes('fairlead compl', 'completion');
    await completes('fairlead dial --token-f', 'dial --token-file');
    await completes('fairlead dial --log-level=wa', 'dial --log-level=warn');
    await completes('fairlead dial --token-file my', 'dial --token-file my\\ dial.token');
    // Asked of the broker, with the token of the line: words that the shell has split and quoted in its own way.
    await completes(
      `fairlead ping --broker=${url} --token-file my\\ dial.token `,
      `ping --broker=${url} --token-file my\\ dial.token edge-1`,
    );
    await terminal.press('C-u', 'C-l');
    await terminal.type('fairlead dial --log-level ');
    await terminal.press('Tab', 'Tab');
    await shows(/trace/);
    await shows(/silent/);
  });
});

test('a broker that is silent costs a moment, and no word', async () => {
  const silent = createServer((socket) => socket.on('error', () => {}));
  await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
  const env = {
    FAIRLEAD_BROKER: `ws://127.0.0.1:${(silent.address() as AddressInfo).port}`,
    FAIRLEAD_TOKEN_FILE: rig.path('my dial.token'),
  };
  const ask = (environment: NodeJS.ProcessEnv, ...words: string[]) =>
    rig.run(rig.fairleadPath, ['__complete', ...words], '', { env: environment });
  for (const answer of [await ask(env, 'dial', ''), await ask({}, 'dial', '')])
    expect({ ...answer, stdout: answer.stdout.toString() }).toEqual({ code: 0, stdout: ':\n', stderr: '' });
  silent.close();
});
